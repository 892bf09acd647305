;; Takes memory page by page, touching each, and traps when it gets no more, as allocators do.
;; Expected: ended at the bound of memory.
;; tool: grow_memory
;; core
(func $call (param i32 i32 i32 i32) (result i32)
  (local $pages i32)
  (loop $again
    (local.set $pages (memory.grow (i32.const 1)))
    (if (i32.eq (local.get $pages) (i32.const -1)) (then unreachable))
    (i32.store (i32.mul (local.get $pages) (i32.const 65536)) (i32.const 1))
    (br $again))
  unreachable)
