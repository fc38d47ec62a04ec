package bson

import (
	"encoding/binary"
	"slices"
)

// Documents that become the same struct mostly have the same keys in the same order. A layout is what some of them looked
// like. The next one is compared with it, element by element: where it is the same, the end of a key need not be searched,
// its field need not be looked up, and many a value's length is known, so that the processor can run ahead to the next
// element before it has seen this one. What is different is found out in the usual way: a layout makes decoding fast, but
// it never changes what comes out.
type layout struct {
	steps   []step
	places  []int // by field number, the number of the step behind the field's
	lessons int   // how many documents it comes from
	full    bool  // they had more elements
}

// A step is an element that is expected.
type step struct {
	first, second, third, last uint64 // the eight bytes at 0, 8, len-16 and len-8 of head, as far as they do not overlap
	mask                       uint64 // the bits of first that count, if head is shorter
	head                       string // its type, key and zero byte
	field                      *decodeField
	size                       int32 // of values of that type, -1 if they differ
	add, least                 int32 // otherwise, what to add to the number at their start, and the least size
}

const (
	maxSteps = 256 // more than there are fields
	maxHead  = 64  // longer keys are not learned
	// ahead is how many steps are tried for an element: some may be missing.
	ahead = 3
	// The first documents with surprises are learned from, and then one of so many.
	firstLessons, fewLessons = 4, 64
)

func newStep(head string, f *decodeField) step {
	var b [8]byte
	copy(b[:], head)
	st := step{head: head, first: binary.LittleEndian.Uint64(b[:]), mask: ^uint64(0), field: f}
	if n := len(head); n < 8 {
		st.mask >>= 64 - 8*n
	} else {
		st.last = load64(head[n-8:])
		if n > 16 {
			st.second, st.third = load64(head[8:]), load64(head[n-16:])
		}
	}
	r := lengthRules[head[0]]
	st.size, st.add, st.least = -1, r.add, r.min
	if r.mask == 0 && r.add == r.min {
		st.size = r.add
	}
	return st
}

// differs compares the step's head with that of the element at src[pos:], which has eight bytes or more. Nothing above
// the lowest byte, the type, may differ if it is the same key.
func (st *step) differs(src []byte, pos int) uint64 {
	return (binary.LittleEndian.Uint64(src[pos:]) ^ st.first) & st.mask
}

// long compares what is behind the first eight bytes of the head.
func (st *step) long(src []byte, pos int) bool {
	n := len(st.head)
	end := pos + n
	if end > len(src) || binary.LittleEndian.Uint64(src[end-8:]) != st.last {
		return false
	}
	return n <= 16 || binary.LittleEndian.Uint64(src[pos+8:]) == st.second && binary.LittleEndian.Uint64(src[end-16:]) == st.third &&
		(n <= 32 || string(src[pos+16:end-16]) == st.head[16:n-16])
}

// follow goes along the document from src[pos:] on, as long as it is as expected, up to the first element that has a
// field, or any if all. It returns that element's step, position, value and end, which is behind src if it is damaged,
// and the number of the step behind it. Without a step, the document has a surprise at the position, or ends there.
func (l *layout) follow(src []byte, pos, next int, all bool) (st *step, at, val, end, after int) {
	for len(src)-pos >= 8 && next < len(l.steps) {
		st := &l.steps[next]
		diff := st.differs(src, pos)
		if diff > 0xff || len(st.head) > 8 && !st.long(src, pos) {
			later := l.resume(src, pos, next)
			if later < 0 {
				break
			}
			next = later
			continue
		}
		next++
		val := pos + len(st.head)
		end := val + int(st.size)
		if diff != 0 {
			end = valueEnd(src, src[pos], val)
		} else if st.size < 0 {
			end = len(src) + 1
			if len(src)-val >= 4 {
				if n := int(int32(binary.LittleEndian.Uint32(src[val:]))) + int(st.add); n >= int(st.least) {
					end = val + n
				}
			}
			if end > len(src) {
				end = oddValueEnd(src, src[pos], val)
			}
		}
		if st.field != nil || all || end > len(src) {
			return st, pos, val, end, next
		}
		pos = end
	}
	return nil, pos, 0, 0, next
}

// resume returns the number of the step for the element at src[pos:] if the ones from next on are missing, or -1.
func (l *layout) resume(src []byte, pos, next int) int {
	for i := next + 1; i < len(l.steps) && i < next+ahead; i++ {
		if st := &l.steps[i]; st.differs(src, pos) <= 0xff && (len(st.head) <= 8 || st.long(src, pos)) {
			return i
		}
	}
	return -1
}

// guessLayout makes the layout of documents that have what the struct has, in its order.
func (s *structDecoder) guessLayout() {
	guess := &layout{}
	for i := range s.fields {
		guess.steps = append(guess.steps, newStep("\x00"+s.fields[i].name+"\x00", &s.fields[i]))
	}
	guess.number(len(s.fields))
	s.layout.Store(guess)
}

// number fills places.
func (l *layout) number(fields int) {
	l.places = make([]int, fields)
	for i := range l.steps {
		if f := l.steps[i].field; f != nil {
			l.places[f.number] = i + 1
		}
	}
}

// surprised is called after a document that was not as the layout has it. Its elements are in src[pos:].
func (s *structDecoder) surprised(d *decoder, old *layout, src []byte, pos int) {
	if old.lessons >= firstLessons {
		if d.surprises++; d.surprises%fewLessons != 0 {
			return
		}
	}
	s.layout.Store(s.learn(old, src, pos))
}

// learn returns a layout that has what the old one has, and the elements in src[pos:] in their order.
func (s *structDecoder) learn(old *layout, src []byte, pos int) *layout {
	l := &layout{steps: slices.Clone(old.steps), lessons: old.lessons + 1}
	next := 0
	w := walker{src: src, pos: pos}
	for w.next() {
		head := src[w.key-1 : w.val]
		if len(head) > maxHead {
			continue
		}
		known := slices.IndexFunc(l.steps, func(st step) bool { return st.head[1:] == string(head[1:]) })
		switch {
		case known >= next:
			next = known
		case known < 0 && len(l.steps) >= maxSteps+len(s.fields):
			l.full = true
			continue
		default:
			if known >= 0 { // the order is another one
				l.steps = slices.Delete(l.steps, known, known+1)
				next--
			}
			l.steps = slices.Insert(l.steps, next, step{})
		}
		l.steps[next] = newStep(string(head), s.index.find(s.fields, src[w.key:w.keyEnd]))
		next++
	}
	l.number(len(s.fields))
	return l
}
