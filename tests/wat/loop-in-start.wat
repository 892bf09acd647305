;; Loops while its module is instantiated. Expected: refused at load, ended at the bound of CPU.
;; tool: loop_in_start
;; core
(func $spin (loop $again (br $again)))
(start $spin)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
