;; Imports the network. Expected: refused at load, before anything is compiled.
;; tool: send_request
(import "wasi:http/types@0.2.6" (instance
  (export "fields" (type $fields (sub resource)))
  (export "[constructor]fields" (func (result (own $fields))))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
