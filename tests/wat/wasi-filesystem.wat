;; Imports the directories of the host. Expected: refused at load, before anything is compiled.
;; tool: open_file
(import "wasi:filesystem/types@0.2.6" (instance
  (export "descriptor" (type (sub resource)))))
;; core
(func $call (param i32 i32 i32 i32) (result i32) i32.const 16)
