;; Never answers. Expected: ended at the bound of CPU or at the deadline.
;; tool: loop_forever
;; core
(func $call (param i32 i32 i32 i32) (result i32)
  (loop $again (br $again))
  unreachable)
