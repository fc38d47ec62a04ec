package bson

import (
	"reflect"
	"unsafe"
)

// All of the codec's unsafe code is in this file. Why there is any, measured on the standard benchmark documents:
//
//   - Plans reach fields by pointer and offset instead of through reflect.Value: 0.6 ns to set a field instead of 6.5.
//   - Values of an any, and the elements of a D, are boxed into slabs: an interface value is made that points into a
//     slab instead of at an allocation of its own. The runtime allocates once for every string, integer or document that
//     is put into an interface; a document of a hundred fields needs a handful of slabs instead.
//   - Strings are views into one copy of the document. Together with the slabs, that decodes the tweet into a D with 8
//     allocations instead of 115, and in 4.3 µs instead of 5.5; the flat document with 5 instead of 305, in 7.4 µs
//     instead of 11.3.
//
// The rules that keep it sound:
//
//   - A pointer always points at a live value of the type that the plan was compiled for, with that type's alignment, in
//     memory that the garbage collector knows: plans are keyed by type, and offsets come from reflection.
//   - What an interface value points at, and what a string views, is never written again. Slabs and copies belong to
//     the document that is decoded, and every part of them is handed out once.

// pointer is a pointer to a Go value whose type a plan knows.
type pointer = unsafe.Pointer

// at returns p as a pointer to a T. The value that p points at must be a T, or have the same memory layout.
func at[T any](p pointer) *T { return (*T)(p) }

// addressOf returns p without its type.
func addressOf[T any](p *T) pointer { return pointer(p) }

// add returns the pointer n bytes behind p, inside the same value.
func add(p pointer, n uintptr) pointer { return unsafe.Add(p, n) }

// sliceHeader is the layout of every slice.
type sliceHeader struct {
	data pointer
	len  int
	_    int // capacity
}

// emptySlice is where a slice without elements, that is not nil, points to.
var emptySlice = pointer(new([2]uint64))

// eface is the layout of an any: its type, and a pointer to its value (or, for pointers and maps, the value).
type eface struct {
	typ  pointer
	word pointer
}

// typeWord returns the type of v as an any stores it.
func typeWord(v any) pointer { return (*eface)(pointer(&v)).typ }

// dataWord returns what an any stores beside its type.
func dataWord(v any) pointer { return (*eface)(pointer(&v)).word }

// box returns an any of the type with word typ whose value is at p. Nothing may write to p afterwards. The type must not
// be one that an any stores directly: no pointer, map, channel or function.
func box(typ, p pointer) any {
	var v any
	*(*eface)(pointer(&v)) = eface{typ, p}
	return v
}

// viewString returns b as a string. Nothing may write to b afterwards.
func viewString(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// bytePointer returns the address of b[i].
func bytePointer(b []byte, i int) pointer { return pointer(&b[i]) }

// storedDirectly reports whether an any may store values of type t itself, instead of a pointer to them. It errs on the
// side of true for structs and arrays that might hold just one pointer.
func storedDirectly(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Pointer, reflect.Map, reflect.Chan, reflect.Func, reflect.UnsafePointer:
		return true
	case reflect.Struct, reflect.Array:
		return t.Size() == unsafe.Sizeof(pointer(nil))
	}
	return false
}

// viewSlice returns the n values of type T at p as a slice.
func viewSlice[T any](p pointer, n int) []T { return unsafe.Slice((*T)(p), n) }

func sizeOf[T any](v T) uintptr { return unsafe.Sizeof(v) }

// slotOf returns a number below n, a power of two, that depends on the address p alone. Types have fixed addresses.
func slotOf(p pointer, n int) int { return int((uintptr(p)>>5 ^ uintptr(p)>>9) & uintptr(n-1)) }
