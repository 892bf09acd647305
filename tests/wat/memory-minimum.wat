;; Declares four gigabytes of memory. Expected: refused by the gate.
;; tool: large_memory
;; core
(memory $memory 65536)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
