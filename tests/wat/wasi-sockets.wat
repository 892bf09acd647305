;; Imports the network. Expected: refused at load, before anything is compiled.
;; tool: open_socket
(import "wasi:sockets/instance-network@0.2.6" (instance
  (export "network" (type $network (sub resource)))
  (export "instance-network" (func (result (own $network))))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
