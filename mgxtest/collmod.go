package mgxtest

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mgxdb/mgx/mgxtest/internal/engine"
)

func cmdCollMod(d *mongod, r *request) (bson.D, error) {
	ns, err := r.collection()
	if err != nil {
		return nil, err
	}
	if err := d.exclusively(r, ns); err != nil {
		return nil, err
	}
	c := d.store.Collection(ns)
	if c == nil {
		return nil, failf(codeNamespaceNotFound, "ns does not exist")
	}
	reply, err := d.modifyIndex(r, c)
	if err != nil {
		return nil, err
	}
	options := bson.D{}
	old, _ := bson.Raw(c.Options).Elements()
	changes := map[string]bool{}
	set := bson.D{}
	view := c.View
	elems, _ := r.body.Elements()
	for _, e := range elems[1:] {
		if _, generic := genericNames[e.Key()]; generic {
			continue
		}
		if e.Key() == "viewOn" || e.Key() == "pipeline" {
			on := r.text("viewOn")
			if on == "" && c.View != nil {
				on = c.View.On
			}
			if view, err = parseView(r, on); err != nil {
				return nil, err
			}
		}
		if e.Key() == "index" {
			continue
		}
		changes[e.Key()] = true
		set = append(set, bson.E{Key: e.Key(), Value: e.Value()})
	}
	for _, e := range old {
		if !changes[e.Key()] {
			options = append(options, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	if len(set) == 0 && len(reply) > 0 {
		return reply, nil
	}
	raw, err := bson.Marshal(append(options, set...))
	if err != nil {
		return nil, err
	}
	change, err := bson.Marshal(set)
	if err != nil {
		return nil, err
	}
	op, err := d.store.Modify(ns, raw, change, view)
	if err != nil {
		return nil, err
	}
	d.append(op)
	return reply, nil
}

// modifyIndex is what collMod does to an index. It returns what the reply says of it.
func (d *mongod) modifyIndex(r *request, c *engine.Collection) (bson.D, error) {
	want := r.document("index")
	if want == nil {
		return doc(), nil
	}
	ix, err := indexNamed(c, want)
	if err != nil {
		return nil, err
	}
	spec := bson.Raw(ix.Spec)
	reply := doc()
	var change bson.D
	for _, name := range []string{"expireAfterSeconds", "hidden", "prepareUnique", "unique"} {
		v, err := want.LookupErr(name)
		if err != nil {
			continue
		}
		was := spec.Lookup(name)
		if name != "unique" && was.Type != 0 {
			reply = append(reply, bson.E{Key: name + "_old", Value: was})
		} else if name == "hidden" || name == "prepareUnique" {
			reply = append(reply, bson.E{Key: name + "_old", Value: false})
		}
		reply = append(reply, bson.E{Key: name + "_new", Value: v})
		change = append(change, bson.E{Key: name, Value: v})
		spec = replaced(spec, name, v)
	}
	if asBool(want.Lookup("unique")) {
		if spec, err = d.convertToUnique(c, ix, spec); err != nil {
			return nil, err
		}
	}
	next, err := engine.ParseIndex(spec)
	if err != nil {
		return nil, err
	}
	raw, err := bson.Marshal(doc("index", append(doc("name", ix.Name), change...)))
	if err != nil {
		return nil, err
	}
	d.append(d.store.ModifyIndex(c.NS, ix, next, raw))
	return reply, nil
}

func indexNamed(c *engine.Collection, want bson.Raw) (*engine.Index, error) {
	name, byName := want.Lookup("name").StringValueOK()
	key, byKey := want.Lookup("keyPattern").DocumentOK()
	if byName == byKey {
		return nil, failf(codeInvalidOptions, "Must specify either index name or key pattern, and not both")
	}
	for _, ix := range c.Indexes {
		if byName && ix.Name == name || byKey && ix.SameKey(key) {
			return ix, nil
		}
	}
	return nil, failf(27, "cannot find index %s for ns %s", name, c.NS)
}

// convertToUnique makes an index unique that prepareUnique has kept from getting new
// duplicates (manual: collMod, Convert Existing Index to a Unique Index).
func (d *mongod) convertToUnique(c *engine.Collection, ix *engine.Index, spec bson.Raw) (bson.Raw, error) {
	if !asBool(bson.Raw(ix.Spec).Lookup("prepareUnique")) {
		return nil, failf(codeInvalidOptions, "Cannot make index unique with 'prepareUnique=false'. Run collMod to set it first.")
	}
	violations := bson.A{}
	for _, ids := range c.Duplicates(ix) {
		violations = append(violations, doc("ids", bson.Raw(ids).Lookup("ids")))
	}
	if len(violations) > 0 {
		ce := failf(359, "Cannot convert the index to unique. Please resolve conflicting documents before running collMod again.")
		ce.extra = doc("violations", violations)
		return nil, ce
	}
	var out bson.D
	for _, e := range elements(spec) {
		if e.Key != "prepareUnique" {
			out = append(out, e)
		}
	}
	return bson.Marshal(out)
}
