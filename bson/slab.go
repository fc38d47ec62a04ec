package bson

import "reflect"

// A slab is where the structs that pointers of one type point to come from. The first one is allocated alone; as it
// becomes clear that a document has many, twice as many each time.
type slab struct {
	plan   *decodePlan
	values pointer
	used   int // of the values
	n      int // the values
	size   int // of the next array, as a power of two
}

const (
	slabSizes = 8
	// maxSlab is the most bytes that are allocated for structs that a document may not have.
	maxSlab = 8 << 10
)

// new returns a pointer to a new value of the plan's type.
func (d *decoder) new(plan *decodePlan) pointer {
	if plan.arrays == nil || d.opts.CopyStrings {
		return reflect.New(plan.typ).UnsafePointer()
	}
	for i := range d.slabs {
		if s := &d.slabs[i]; s.plan == plan {
			if s.used == s.n {
				s.more()
			}
			s.used++
			return add(s.values, uintptr(s.used-1)*plan.typ.Size())
		}
	}
	s := slab{plan: plan}
	s.grow()
	d.slabs = append(d.slabs, s)
	return reflect.New(plan.typ).UnsafePointer()
}

// more allocates the next values.
func (s *slab) more() {
	t := s.plan.arrays[s.size].Load()
	if t == nil {
		array := reflect.ArrayOf(1<<s.size, s.plan.typ)
		t = &array
		s.plan.arrays[s.size].Store(t)
	}
	s.values, s.used, s.n = reflect.New(*t).UnsafePointer(), 0, 1<<s.size
	s.grow()
}

func (s *slab) grow() {
	if s.size+1 < slabSizes && s.plan.typ.Size()<<(s.size+1) <= maxSlab {
		s.size++
	}
}
