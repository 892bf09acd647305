;; Makes a million handles and drops none. Expected: ended at the bound of handles.
;; tool: leak_handles
(type $thing (resource (rep i32)))
(core func $new (canon resource.new $thing))
(core instance $host (export "new" (func $new)))
;; core
(import "host" "new" (func $new (param i32) (result i32)))
(func $call (param i32 i32 i32 i32) (result i32)
  (local $left i32)
  (local.set $left (i32.const 1000000))
  (loop $again
    (drop (call $new (i32.const 1)))
    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
    (br_if $again (local.get $left)))
  i32.const 16)
