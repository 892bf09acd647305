;; Lists 20,000 tools whose texts are all the same 64 KiB: 4 GB for whoever copies them. Expected:
;; refused at load, at the bound of bytes that an export may return.
;; tool: alias_bomb
;; core
(memory $memory 32)
(func $list (result i32)
  (local $at i32)
  (i32.store (i32.const 4096) (i32.const 131072))
  (i32.store (i32.const 4100) (i32.const 20000))
  (local.set $at (i32.const 131072))
  (loop $again
    (i32.store offset=0 (local.get $at) (i32.const 16384))
    (i32.store offset=4 (local.get $at) (i32.const 65536))
    (i32.store offset=20 (local.get $at) (i32.const 16384))
    (i32.store offset=24 (local.get $at) (i32.const 65536))
    (i32.store offset=28 (local.get $at) (i32.const 16384))
    (i32.store offset=32 (local.get $at) (i32.const 65536))
    (local.set $at (i32.add (local.get $at) (i32.const 48)))
    (br_if $again (i32.lt_u (local.get $at) (i32.const 1091072))))
  i32.const 4096)
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
