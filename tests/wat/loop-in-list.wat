;; Loops when it is asked for its tools. Expected: refused at load, ended at the bound of CPU.
;; tool: loop_in_list
;; core
(func $list (result i32)
  (loop $again (br $again))
  unreachable)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
