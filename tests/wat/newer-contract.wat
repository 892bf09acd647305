;; Imports a function that this host does not have yet, of a contract that it speaks. Expected:
;; refused at load, when its imports are linked.
;; uses: log
;; tool: newer_contract
(import "toolgate:plugin/log@0.1.9" (instance
  (export "flush" (func))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
