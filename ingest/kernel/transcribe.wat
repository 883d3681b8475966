;; CSV records to JSON ones, one byte after another. `program.py` says what for, and what lies
;; where in memory.
;;
;; The text has been checked: every record has its number of fields, and every value is spelt as its
;; member wants it. So nothing is decided here but where fields end, which words mean null, and which
;; characters need an escape. What is wrong with the text all the same can spoil the output, or end in
;; a trap, and no more: all that this code can reach is its own memory.
;;
;; Sixteen bytes at a time are looked at and copied. So up to fifteen are read behind what is meant,
;; and written behind what is done: the next ones go over them.
(module
  (memory (export "memory") 1)

  ;; The literal or text [$from, $from + $size) to $to. Returns the end of what was written.
  (func $copy (param $from i32) (param $size i32) (param $to i32) (result i32)
    (local $end i32)
    (local.set $end (i32.add (local.get $to) (local.get $size)))
    (loop $on
      (v128.store (local.get $to) (v128.load (local.get $from)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (br_if $on (i32.lt_u (local.get $to) (local.get $end))))
    (local.get $end))

  ;; The text [$from, $end) to $to, with a quote for each doubled one, and escaped. An entry of the
  ;; table at $escapes is what a byte becomes, in seven bytes, and behind them how many it takes.
  (func $escape (param $from i32) (param $end i32) (param $to i32) (param $escapes i32)
                (param $quote i32) (result i32)
    (local $byte i32) (local $entry i64)
    (block $done
      (loop $on
        (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $from)))
        (local.set $entry
          (i64.load (i32.add (local.get $escapes) (i32.shl (local.get $byte) (i32.const 3)))))
        (i64.store (local.get $to) (local.get $entry))
        (local.set $to (i32.add (local.get $to)
          (i32.wrap_i64 (i64.shr_u (local.get $entry) (i64.const 56)))))
        (local.set $from (i32.add (local.get $from)
          (i32.add (i32.const 1) (i32.eq (local.get $byte) (local.get $quote)))))
        (br $on)))
    (local.get $to))

  ;; Whether the text [$from, $from + $size) is one of the words in [$word, $words_end): each is four
  ;; bytes of size and its bytes.
  (func $is_word (param $from i32) (param $size i32) (param $word i32) (param $words_end i32)
                 (result i32)
    (local $at i32)
    (loop $on
      (if (i32.eq (i32.load (local.get $word)) (local.get $size))
        (then
          (local.set $at (i32.const 0))
          (block $other
            (loop $same
              (if (i32.ge_u (local.get $at) (local.get $size)) (then (return (i32.const 1))))
              (br_if $other (i32.ne
                (i32.load8_u (i32.add (local.get $from) (local.get $at)))
                (i32.load8_u offset=4 (i32.add (local.get $word) (local.get $at)))))
              (local.set $at (i32.add (local.get $at) (i32.const 1)))
              (br $same)))))
      (local.set $word (i32.add (local.get $word)
        (i32.add (i32.const 4) (i32.load (local.get $word)))))
      (br_if $on (i32.lt_u (local.get $word) (local.get $words_end))))
    (i32.const 0))

  ;; The first $was in the text [$at, $end) becomes $shall_be.
  (func $swap (param $at i32) (param $end i32) (param $was i32) (param $shall_be i32)
    (loop $on
      (if (i32.ge_u (local.get $at) (local.get $end)) (then (return)))
      (if (i32.eq (i32.load8_u (local.get $at)) (local.get $was))
        (then (i32.store8 (local.get $at) (local.get $shall_be)) (return)))
      (local.set $at (i32.add (local.get $at) (i32.const 1)))
      (br $on)))

  ;; The fields of the record at $p, which has quotes or needs escapes, into the cells. Returns where
  ;; the next record starts.
  (func $find (param $p i32) (param $cell i32) (param $cells_end i32) (param $delimiter i32)
              (param $quote i32) (result i32)
    (local $ends v128) (local $quotes v128) (local $v v128) (local $q i32) (local $at i32)
    (local $odd i32)
    (local.set $ends (i8x16.splat (local.get $delimiter)))
    (local.set $quotes (i8x16.splat (local.get $quote)))
    (loop $field
      (local.set $odd (i32.const 0))
      (if (i32.eq (i32.load8_u (local.get $p)) (local.get $quote))
        (then
          (local.set $p (i32.add (local.get $p) (i32.const 1)))
          (local.set $q (local.get $p))
          (loop $on
            (local.set $v (v128.load (local.get $q)))
            (local.set $at (i32.ctz (i32.or (i32.const 0x10000)
              (i8x16.bitmask (i8x16.eq (local.get $v) (local.get $quotes))))))
            (local.set $odd (i32.or (local.get $odd) (i32.and (call $special (local.get $v))
              (i32.sub (i32.shl (i32.const 1) (local.get $at)) (i32.const 1)))))
            (local.set $q (i32.add (local.get $q) (local.get $at)))
            (br_if $on (i32.eq (local.get $at) (i32.const 16)))
            (if (i32.eq (i32.load8_u offset=1 (local.get $q)) (local.get $quote))
              (then
                (local.set $odd (i32.const 1))
                (local.set $q (i32.add (local.get $q) (i32.const 2)))
                (br $on))))
          (i32.store (local.get $cell) (local.get $p))
          (i32.store offset=4 (local.get $cell) (local.get $q))
          (local.set $p (i32.add (local.get $q) (i32.const 1))))
        (else
          (local.set $q (local.get $p))
          (loop $on
            (local.set $v (v128.load (local.get $q)))
            (local.set $at (i32.ctz (i32.or (i32.const 0x10000) (i8x16.bitmask
              (v128.or (i8x16.eq (local.get $v) (local.get $ends))
                (v128.or (i8x16.eq (local.get $v) (i8x16.splat (i32.const 10)))
                  (i8x16.eq (local.get $v) (i8x16.splat (i32.const 13)))))))))
            (local.set $odd (i32.or (local.get $odd) (i32.and (call $special (local.get $v))
              (i32.sub (i32.shl (i32.const 1) (local.get $at)) (i32.const 1)))))
            (local.set $q (i32.add (local.get $q) (local.get $at)))
            (br_if $on (i32.eq (local.get $at) (i32.const 16))))
          (i32.store (local.get $cell) (local.get $p))
          (i32.store offset=4 (local.get $cell) (local.get $q))
          (local.set $p (local.get $q))))
      (i32.store offset=8 (local.get $cell) (local.get $odd))
      ;; Over the delimiter, LF or CRLF.
      (local.set $p (i32.add (local.get $p)
        (i32.add (i32.const 1) (i32.eq (i32.load8_u (local.get $p)) (i32.const 13)))))
      (local.set $cell (i32.add (local.get $cell) (i32.const 12)))
      (br_if $field (i32.lt_u (local.get $cell) (local.get $cells_end))))
    (local.get $p))

  ;; A bit for each of sixteen bytes that a JSON string can't hold as it is.
  (func $special (param $v v128) (result i32)
    (i8x16.bitmask (v128.or
      (i8x16.lt_u (local.get $v) (i8x16.splat (i32.const 32)))
      (v128.or
        (i8x16.eq (local.get $v) (i8x16.splat (i32.const 34)))
        (i8x16.eq (local.get $v) (i8x16.splat (i32.const 92)))))))

  ;; All records of all ranges. Returns the size of the longest, with its end; 0 if a value is null or
  ;; longer where it must not be: then the output is worth nothing.
  (func (export "transcribe") (param $head i32) (result i32)
    (local $range i32) (local $p i32) (local $end i32) (local $to i32) (local $rows i32)
    (local $record i32) (local $longest i32)
    (local $cells i32) (local $cells_end i32) (local $cell i32) (local $extra i32)
    (local $plain i32) (local $delimiter i32) (local $quote i32) (local $escapes i32)
    (local $members i32) (local $members_end i32) (local $m i32)
    (local $from i32) (local $size i32) (local $until i32) (local $literal i32)
    (local $base i32) (local $mask i32) (local $v v128) (local $ends v128) (local $feeds v128)
    (local.set $range (i32.load offset=0 (local.get $head)))
    (local.set $to (i32.load offset=8 (local.get $head)))
    (local.set $cells (i32.load offset=12 (local.get $head)))
    (local.set $cells_end (i32.load offset=16 (local.get $head)))
    (local.set $members (i32.load offset=20 (local.get $head)))
    (local.set $members_end (i32.load offset=24 (local.get $head)))
    (local.set $delimiter (i32.load offset=28 (local.get $head)))
    (local.set $quote (i32.load offset=32 (local.get $head)))
    (local.set $plain (i32.load offset=36 (local.get $head)))
    (local.set $escapes (i32.load offset=40 (local.get $head)))
    (local.set $ends (i8x16.splat (local.get $delimiter)))
    (local.set $feeds (i8x16.splat (i32.const 10)))
    (block $finished (loop $next_range
      (br_if $finished (i32.ge_u (local.get $range) (i32.load offset=4 (local.get $head))))
      (local.set $p (i32.load offset=0 (local.get $range)))
      (local.set $end (i32.load offset=4 (local.get $range)))
      ;; The cells behind the record's own are the range's.
      (local.set $extra (i32.load offset=16 (local.get $range)))
      (local.set $cell (local.get $cells_end))
      (block $no_more (loop $next_extra
        (br_if $no_more (i32.ge_u (local.get $extra) (i32.load offset=20 (local.get $range))))
        (i32.store offset=0 (local.get $cell) (i32.load offset=0 (local.get $extra)))
        (i32.store offset=4 (local.get $cell) (i32.load offset=4 (local.get $extra)))
        (i32.store offset=8 (local.get $cell) (i32.const 0))
        (local.set $cell (i32.add (local.get $cell) (i32.const 12)))
        (local.set $extra (i32.add (local.get $extra) (i32.const 8)))
        (br $next_extra)))
      (local.set $rows (i32.const 0))
      (local.set $mask (i32.const 0))
      (local.set $base (i32.sub (local.get $p) (i32.const 16)))
      (block $end_of_range (loop $next_record
        (br_if $end_of_range (i32.ge_u (local.get $p) (local.get $end)))
        (if (local.get $plain)
          (then
            ;; Every delimiter and every LF ends a field. $mask has a bit for each that is still to
            ;; come in the sixteen bytes at $base.
            (local.set $cell (local.get $cells))
            (loop $next_field
              (i32.store offset=0 (local.get $cell) (local.get $p))
              (if (i32.eqz (local.get $mask))
                (then (loop $look
                  (local.set $base (i32.add (local.get $base) (i32.const 16)))
                  (local.set $v (v128.load (local.get $base)))
                  (local.set $mask (i8x16.bitmask (v128.or
                    (i8x16.eq (local.get $v) (local.get $ends))
                    (i8x16.eq (local.get $v) (local.get $feeds)))))
                  (br_if $look (i32.eqz (local.get $mask))))))
              (local.set $p (i32.add (local.get $base) (i32.ctz (local.get $mask))))
              (local.set $mask
                (i32.and (local.get $mask) (i32.sub (local.get $mask) (i32.const 1))))
              (i32.store offset=4 (local.get $cell) (local.get $p))
              (local.set $p (i32.add (local.get $p) (i32.const 1)))
              (local.set $cell (i32.add (local.get $cell) (i32.const 12)))
              (br_if $next_field (i32.lt_u (local.get $cell) (local.get $cells_end)))))
          (else
            (local.set $p (call $find (local.get $p) (local.get $cells) (local.get $cells_end)
              (local.get $delimiter) (local.get $quote)))))
        (local.set $record (local.get $to))
        (local.set $m (local.get $members))
        (block $no_member (loop $next_member
          (br_if $no_member (i32.ge_u (local.get $m) (local.get $members_end)))
          (local.set $cell (i32.load offset=8 (local.get $m)))
          (local.set $from (i32.load offset=0 (local.get $cell)))
          (local.set $size (i32.sub (i32.load offset=4 (local.get $cell)) (local.get $from)))
          (block $written
            ;; Shorter than this it may be a word for null.
            (if (i32.lt_u (local.get $size) (i32.load offset=32 (local.get $m)))
              (then (if (call $is_word (local.get $from) (local.get $size)
                  (i32.load offset=24 (local.get $m)) (i32.load offset=28 (local.get $m)))
                (then
                  (if (i32.load offset=52 (local.get $m)) (then (return (i32.const 0))))
                  (local.set $to (call $copy (i32.load offset=16 (local.get $m))
                    (i32.load offset=20 (local.get $m)) (local.get $to)))
                  (br $written)))))
            (if (i32.gt_u (local.get $size) (i32.load offset=36 (local.get $m)))
              (then (return (i32.const 0))))
            ;; As $copy, but here, for this is where the time goes.
            (local.set $until (i32.add (local.get $to) (i32.load offset=4 (local.get $m))))
            (local.set $literal (i32.load offset=0 (local.get $m)))
            (loop $on
              (v128.store (local.get $to) (v128.load (local.get $literal)))
              (local.set $to (i32.add (local.get $to) (i32.const 16)))
              (local.set $literal (i32.add (local.get $literal) (i32.const 16)))
              (br_if $on (i32.lt_u (local.get $to) (local.get $until))))
            (if (i32.load offset=8 (local.get $cell))
              (then
                (local.set $to (call $escape (local.get $from)
                  (i32.add (local.get $from) (local.get $size)) (local.get $until)
                  (local.get $escapes) (local.get $quote))))
              (else
                (local.set $to (local.get $until))
                (local.set $literal (local.get $to))
                (local.set $until (i32.add (local.get $to)
                  (i32.sub (local.get $size) (i32.load offset=12 (local.get $m)))))
                (loop $on
                  (v128.store (local.get $to) (v128.load (local.get $from)))
                  (local.set $to (i32.add (local.get $to) (i32.const 16)))
                  (local.set $from (i32.add (local.get $from) (i32.const 16)))
                  (br_if $on (i32.lt_u (local.get $to) (local.get $until))))
                (local.set $to (local.get $until))
                (if (i32.load offset=60 (local.get $m))
                  (then (call $swap (local.get $literal) (local.get $until)
                    (i32.load offset=56 (local.get $m)) (i32.load offset=60 (local.get $m)))))))
            (i64.store (local.get $to) (i64.load offset=40 (local.get $m)))
            (local.set $to (i32.add (local.get $to) (i32.load offset=48 (local.get $m)))))
          (local.set $m (i32.add (local.get $m) (i32.const 64)))
          (br $next_member)))
        ;; The brace goes over the first comma, that of a member or of a constant in the end. Where
        ;; there is none, it stands in front.
        (local.set $literal (i32.load offset=44 (local.get $head)))
        (if (i32.eq (local.get $to) (local.get $record))
          (then (local.set $to (i32.add (local.get $to)
            (i32.ne (i32.load8_u (local.get $literal)) (i32.const 44))))))
        (local.set $to (call $copy (local.get $literal)
          (i32.load offset=48 (local.get $head)) (local.get $to)))
        (i32.store8 (local.get $record) (i32.const 123))
        (if (i32.gt_u (i32.sub (local.get $to) (local.get $record)) (local.get $longest))
          (then (local.set $longest (i32.sub (local.get $to) (local.get $record)))))
        (local.set $rows (i32.add (local.get $rows) (i32.const 1)))
        (br $next_record)))
      (i32.store offset=8 (local.get $range) (local.get $to))
      (i32.store offset=12 (local.get $range) (local.get $rows))
      (local.set $range (i32.add (local.get $range) (i32.const 24)))
      (br $next_range)))
    (local.get $longest)))
