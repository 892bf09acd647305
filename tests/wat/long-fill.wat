;; Fills 60 MB again and again: each instruction runs long, without a place to be interrupted.
;; Expected: ended at the bound of CPU, a little later than a plain loop.
;; tool: fill_memory
;; core
(memory $memory 930)
(func $call (param i32 i32 i32 i32) (result i32)
  (loop $again
    (memory.fill (i32.const 0) (i32.const 1) (i32.const 60948480))
    (br $again))
  unreachable)
