;; Answers with bytes that are no text. Expected: the plugin's error, nothing of it on the wire.
;; tool: invalid_utf8
;; core
(data (i32.const 8192) "\ff\fe\c0\80\ed\a0\80")
(func $call (param i32 i32 i32 i32) (result i32)
  (i32.store (i32.const 4100) (i32.const 8192))
  (i32.store (i32.const 4104) (i32.const 7))
  i32.const 4096)
