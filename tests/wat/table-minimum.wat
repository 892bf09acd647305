;; Declares a table of ten million elements. Expected: refused by the gate.
;; tool: large_table
;; core
(table 10000000 funcref)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
