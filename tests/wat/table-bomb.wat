;; Takes table elements until it gets no more. Expected: ended at the bound of table elements.
;; tool: grow_table
;; core
(table $elements 1 funcref)
(func $call (param i32 i32 i32 i32) (result i32)
  (loop $again
    (if (i32.eq (table.grow $elements (ref.null func) (i32.const 1000)) (i32.const -1))
      (then unreachable))
    (br $again))
  unreachable)
