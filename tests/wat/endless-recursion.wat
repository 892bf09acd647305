;; Calls itself until the stack ends. Expected: a trap, `call stack exhausted`.
;; tool: recurse_forever
;; core
(func $call (param i32 i32 i32 i32) (result i32)
  (i32.add (i32.const 1)
    (call $call (local.get 0) (local.get 1) (local.get 2) (local.get 3))))
