;; Loops where the host puts the arguments. Expected: ended at the bound of CPU.
;; tool: loop_in_realloc
;; core
(func $realloc (param i32 i32 i32 i32) (result i32)
  (loop $again (br $again))
  unreachable)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
