;; Answers, and loops where it should clean up. Expected: ended at the bound of CPU.
;; tool: loop_in_post_return
;; core
(func $call_done (param i32)
  (loop $again (br $again)))
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
