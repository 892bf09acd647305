;; Asks the host for its output a million times and drops none. Expected: ended at the bound of
;; handles.
;; tool: leak_streams
(import "wasi:io/streams@0.2.6" (instance $streams
  (export "output-stream" (type (sub resource)))))
(alias export $streams "output-stream" (type $stream))
(import "wasi:cli/stdout@0.2.6" (instance $stdout
  (alias outer 1 $stream (type $outer))
  (export "output-stream" (type $own (eq $outer)))
  (export "get-stdout" (func (result (own $own))))))
(core func $get (canon lower (func $stdout "get-stdout")))
(core instance $host (export "get" (func $get)))
;; core
(import "host" "get" (func $get (result i32)))
(func $call (param i32 i32 i32 i32) (result i32)
  (local $left i32)
  (local.set $left (i32.const 1000000))
  (loop $again
    (drop (call $get))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  i32.const 16)
