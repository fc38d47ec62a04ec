package unified

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"

	"github.com/mgxdb/mgx/bson"
)

// rule checks the shape of a value; path tells where it is, for the error.
type rule func(path string, v any) error

func mismatch(path, want string, v any) error {
	return fmt.Errorf("%s: %s expected, not %s", path, want, typeName(v))
}

func anything(string, any) error { return nil }

func aString(path string, v any) error {
	if _, ok := v.(string); !ok {
		return mismatch(path, "a string", v)
	}
	return nil
}

func aBool(path string, v any) error {
	if _, ok := v.(bool); !ok {
		return mismatch(path, "a boolean", v)
	}
	return nil
}

func anInteger(path string, v any) error {
	switch n := v.(type) {
	case int32, int64:
		return nil
	case float64:
		if n == math.Trunc(n) {
			return nil
		}
	}
	return mismatch(path, "an integer", v)
}

func aDocument(path string, v any) error {
	if _, ok := v.(bson.D); !ok {
		return mismatch(path, "a document", v)
	}
	return nil
}

func isTrue(path string, v any) error {
	if v != true {
		return fmt.Errorf("%s: it can only be true", path)
	}
	return nil
}

func oneOf(values ...string) rule {
	return func(path string, v any) error {
		if err := aString(path, v); err != nil {
			return err
		}
		if !slices.Contains(values, v.(string)) {
			return fmt.Errorf("%s: %q is none of %q", path, v, values)
		}
		return nil
	}
}

func matching(pattern string) rule {
	re := regexp.MustCompile(pattern)
	return func(path string, v any) error {
		if err := aString(path, v); err != nil {
			return err
		}
		if !re.MatchString(v.(string)) {
			return fmt.Errorf("%s: %q does not match %s", path, v, pattern)
		}
		return nil
	}
}

// either accepts what one of two rules accepts.
func either(a, b rule) rule {
	return func(path string, v any) error {
		first := a(path, v)
		if first == nil {
			return nil
		}
		if err := b(path, v); err != nil {
			return fmt.Errorf("%w, or %w", first, err)
		}
		return nil
	}
}

func listOf(item rule) rule {
	return func(path string, v any) error {
		list, ok := v.(bson.A)
		if !ok {
			return mismatch(path, "an array", v)
		}
		for i, v := range list {
			if err := item(path+"."+strconv.Itoa(i), v); err != nil {
				return err
			}
		}
		return nil
	}
}

// someOf is a list that is not empty.
func someOf(item rule) rule {
	list := listOf(item)
	return func(path string, v any) error {
		if a, ok := v.(bson.A); ok && len(a) == 0 {
			return fmt.Errorf("%s: the array is empty", path)
		}
		return list(path, v)
	}
}

// fields are the keys that a document may have. A name that ends in "!" is one
// that it must have.
type fields map[string]rule

// document is a document with no other keys than the fields.
func document(f fields) rule {
	known, required := map[string]rule{}, []string{}
	for name, r := range f {
		if last := len(name) - 1; name[last] == '!' {
			name = name[:last]
			required = append(required, name)
		}
		known[name] = r
	}
	slices.Sort(required)
	return func(path string, v any) error {
		if err := aDocument(path, v); err != nil {
			return err
		}
		d := v.(bson.D)
		for _, name := range required {
			if _, ok := lookup(d, name); !ok {
				return fmt.Errorf("%s: %q is missing", path, name)
			}
		}
		for _, e := range d {
			r, ok := known[e.Key]
			if !ok {
				return fmt.Errorf("%s: %q is not known here", path, e.Key)
			}
			if err := r(path+"."+e.Key, e.Value); err != nil {
				return err
			}
		}
		return nil
	}
}

// nonEmpty is a document with at least one key.
func nonEmpty(r rule) rule {
	return func(path string, v any) error {
		if d, ok := v.(bson.D); ok && len(d) == 0 {
			return fmt.Errorf("%s: the document is empty", path)
		}
		return r(path, v)
	}
}

// single is a document with exactly one key.
func single(r rule) rule {
	return func(path string, v any) error {
		if d, ok := v.(bson.D); ok && len(d) != 1 {
			return fmt.Errorf("%s: it has %d keys instead of one", path, len(d))
		}
		return r(path, v)
	}
}

// keyed is a document whose keys match a pattern each, with the rules of their
// values.
func keyed(patterns map[string]rule) rule {
	type entry struct {
		re *regexp.Regexp
		r  rule
	}
	var entries []entry
	for p, r := range patterns {
		entries = append(entries, entry{regexp.MustCompile(p), r})
	}
	return func(path string, v any) error {
		if err := aDocument(path, v); err != nil {
			return err
		}
		for _, e := range v.(bson.D) {
			i := slices.IndexFunc(entries, func(x entry) bool { return x.re.MatchString(e.Key) })
			if i < 0 {
				return fmt.Errorf("%s: %q is not known here", path, e.Key)
			}
			if err := entries[i].r(path+"."+e.Key, e.Value); err != nil {
				return err
			}
		}
		return nil
	}
}

// without is a document that does not have all of the keys of any group.
func without(r rule, groups ...[]string) rule {
	return func(path string, v any) error {
		if err := r(path, v); err != nil {
			return err
		}
		for _, group := range groups {
			all := true
			for _, key := range group {
				_, ok := lookup(v.(bson.D), key)
				all = all && ok
			}
			if all {
				return fmt.Errorf("%s: %q exclude each other", path, group)
			}
		}
		return nil
	}
}
