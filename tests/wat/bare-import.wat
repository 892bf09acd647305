;; Imports a function that belongs to no interface. Expected: refused by the gate.
;; tool: bare_import
(import "exec" (func (param "command" string)))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
