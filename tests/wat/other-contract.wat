;; Imports an interface of a contract to come. Expected: refused at load, before anything is
;; compiled.
;; tool: other_contract
(import "toolgate:plugin/log@0.2.0" (instance
  (export "write" (func (param "message" string)))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
