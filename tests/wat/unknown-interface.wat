;; Imports an interface that nobody knows. Expected: refused at load, before anything is compiled.
;; tool: unknown_interface
(import "evil:host/shell@1.0.0" (instance
  (export "exec" (func (param "command" string)))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
