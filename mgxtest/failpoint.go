package mgxtest

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// FailCommand describes commands that fail, like the server's fail point of
// that name. The zero values of its fields do nothing.
type FailCommand struct {
	// Commands are the names of the commands that fail.
	Commands []string
	// Times is how many commands fail, after which the fail point is off; 0
	// means all. Skip commands pass before.
	Times, Skip int
	// ErrorCode fails the command with this code. The server adds the labels
	// that belong to it, unless ErrorLabels is not nil: then those are all.
	ErrorCode   int32
	ErrorLabels []string
	// CloseConnection closes the connection instead of an answer.
	CloseConnection bool
	// Block holds the command up for so long before anything else.
	Block time.Duration
	// AppName restricts it to clients with this name, Namespace to commands
	// on this database and collection.
	AppName, Namespace string
	// WriteConcernError is added to the reply of a command that has done its
	// work.
	WriteConcernError *WriteConcernError
	// Internal makes it also apply to what a mongos asks of this member.
	Internal bool
}

// WriteConcernError is what a reply says when a write was done but not
// acknowledged as asked.
type WriteConcernError struct {
	Code    int32
	Message string
	Labels  []string
}

// failPoint is an active fail point.
type failPoint struct {
	always  bool
	times   int
	skip    int
	chance  float64
	limited bool
	fc      FailCommand
	wce     bson.Raw
	data    bson.Raw
	entered int64
}

type failPoints struct {
	mu     sync.Mutex
	points map[string]*failPoint
}

func (f *failPoints) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.points = nil
}

func (f *failPoints) set(name string, p *failPoint) int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.points == nil {
		f.points = map[string]*failPoint{}
	}
	var count int64
	if old := f.points[name]; old != nil {
		count = old.entered
	}
	if p == nil {
		delete(f.points, name)
	} else {
		f.points[name] = p
	}
	return count
}

// take reports whether the fail point fires for something that matches.
func (f *failPoints) take(name string, matches func(*failPoint) bool) *failPoint {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.points[name]
	if p == nil || p.limited && p.times <= 0 || !matches(p) {
		return nil
	}
	if p.chance > 0 && rand.Float64() >= p.chance {
		return nil
	}
	if p.skip > 0 {
		p.skip--
		return nil
	}
	if p.limited {
		p.times--
	}
	p.entered++
	return p
}

func canonicalName(name string) string {
	switch name {
	case "ismaster":
		return "isMaster"
	case "findandmodify":
		return "findAndModify"
	}
	return name
}

func (p *failPoint) matches(r *request) bool {
	if r.name == "configureFailPoint" || r.internal && !p.fc.Internal {
		return false
	}
	if !slices.ContainsFunc(p.fc.Commands, func(c string) bool { return canonicalName(c) == canonicalName(r.name) }) {
		return false
	}
	if p.fc.AppName != "" && r.appName() != p.fc.AppName {
		return false
	}
	if p.fc.Namespace != "" {
		coll, _ := r.body.Index(0).Value().StringValueOK()
		return p.fc.Namespace == r.db+"."+coll
	}
	return true
}

func (r *request) appName() string {
	if r.conn == nil {
		return ""
	}
	if isHello(r.name) {
		if name, ok := r.document("client").Lookup("application", "name").StringValueOK(); ok {
			return name
		}
	}
	r.conn.mu.Lock()
	defer r.conn.mu.Unlock()
	return r.conn.appName
}

// apply lets the failCommand fail point act on a request before it runs.
func (f *failPoints) apply(r *request) error {
	p := f.take("failCommand", func(p *failPoint) bool {
		acts := p.fc.CloseConnection || p.fc.Block > 0 || p.fc.ErrorCode != 0
		return acts && p.matches(r)
	})
	if p == nil {
		return nil
	}
	if p.fc.Block > 0 {
		ctx, stop := r.deadline()
		err := sleep(ctx, p.fc.Block)
		stop()
		if err != nil {
			return interruption(err)
		}
	}
	if p.fc.CloseConnection {
		return errHangUp
	}
	if p.fc.ErrorCode == 0 {
		return nil
	}
	ce := failf(p.fc.ErrorCode, "Failing command via 'failCommand' failpoint")
	if p.fc.ErrorLabels != nil {
		ce.labels, ce.forced = p.fc.ErrorLabels, true
	}
	if extra, ok := p.data.Lookup("errorExtraInfo").DocumentOK(); ok {
		elems, _ := extra.Elements()
		for _, e := range elems {
			ce.extra = append(ce.extra, bson.E{Key: e.Key(), Value: e.Value()})
		}
	}
	return ce
}

// writeConcernError lets the fail point act on a request that has run.
func (f *failPoints) writeConcernError(r *request) {
	p := f.take("failCommand", func(p *failPoint) bool { return p.fc.WriteConcernError != nil && p.matches(r) })
	if p == nil {
		return
	}
	w := p.fc.WriteConcernError
	r.wce = failf(w.Code, "%s", w.Message)
	r.wce.given = p.wce
	if w.Labels != nil {
		r.wce.labels, r.wce.forced = w.Labels, true
	}
}

// parseFailPoint reads the configureFailPoint command.
func parseFailPoint(r *request) (*failPoint, error) {
	p := &failPoint{data: slices.Clone(r.document("data"))}
	mode, ok := r.get("mode")
	if !ok {
		return nil, failf(codeMissingField, "BSON field 'configureFailPoint.mode' is missing but a required field")
	}
	if s, ok := mode.StringValueOK(); ok {
		switch s {
		case "off":
			return nil, nil
		case "alwaysOn":
			p.always = true
		default:
			return nil, failf(codeBadValue, "unknown mode: %s", s)
		}
	} else {
		d, _ := mode.DocumentOK()
		e, err := d.IndexErr(0)
		if err != nil {
			return nil, failf(codeBadValue, "the mode of a fail point is 'off', 'alwaysOn', or a document")
		}
		n, _ := asInt(e.Value())
		switch e.Key() {
		case "times":
			p.times, p.limited = int(n), true
		case "skip":
			p.skip = int(n)
		case "activationProbability":
			p.chance, _ = e.Value().DoubleOK()
		default:
			return nil, failf(codeBadValue, "unknown mode: %s", e.Key())
		}
	}
	return p, p.parseData()
}

func (p *failPoint) parseData() error {
	elems, _ := p.data.Elements()
	for _, e := range elems {
		v := e.Value()
		n, _ := asInt(v)
		switch e.Key() {
		case "failCommands":
			arr, _ := v.ArrayOK()
			values, _ := arr.Values()
			for _, c := range values {
				s, _ := c.StringValueOK()
				p.fc.Commands = append(p.fc.Commands, s)
			}
		case "errorCode":
			p.fc.ErrorCode = int32(n)
		case "errorLabels":
			p.fc.ErrorLabels = stringList(v)
		case "closeConnection":
			p.fc.CloseConnection = asBool(v)
		case "blockConnection":
			if asBool(v) {
				ms, ok := asInt(p.data.Lookup("blockTimeMS"))
				if !ok || ms < 0 {
					return failf(codeInvalidOptions, "must specify 'blockTimeMS' when 'blockConnection' is true")
				}
				p.fc.Block = time.Duration(ms) * time.Millisecond
			}
		case "appName":
			p.fc.AppName, _ = v.StringValueOK()
		case "namespace":
			p.fc.Namespace, _ = v.StringValueOK()
		case "failInternalCommands":
			p.fc.Internal = asBool(v)
		case "writeConcernError":
			d, ok := v.DocumentOK()
			if !ok {
				return failf(codeTypeMismatch, "writeConcernError has to be a document")
			}
			code, _ := asInt(d.Lookup("code"))
			msg, _ := d.Lookup("errmsg").StringValueOK()
			p.wce = d
			p.fc.WriteConcernError = &WriteConcernError{Code: int32(code), Message: msg}
			if labels, err := d.LookupErr("errorLabels"); err == nil {
				p.fc.WriteConcernError.Labels = stringList(labels)
			}
		}
	}
	if p.fc.WriteConcernError != nil && p.fc.WriteConcernError.Labels == nil {
		p.fc.WriteConcernError.Labels = p.fc.ErrorLabels
	}
	return nil
}

func stringList(v bson.RawValue) []string {
	out := []string{}
	arr, _ := v.ArrayOK()
	values, _ := arr.Values()
	for _, item := range values {
		if s, ok := item.StringValueOK(); ok {
			out = append(out, s)
		}
	}
	return out
}

// knownFailPoints are the fail points of servers that are simulated, with those
// which make whatever reaches them wait until they are off.
var knownFailPoints = map[string]bool{
	"failCommand": true, "onPrimaryTransactionalWrite": true, "failGetMoreAfterCursorCheckout": true,
	"WTWriteConflictException": true, "maxTimeAlwaysTimeOut": true, "stopReplProducer": true, "rsSyncApplyStop": true,
	"waitInFindBeforeMakingBatch": true, "waitAfterPinningCursorBeforeGetMoreBatch": true,
}

// configure runs the configureFailPoint command.
func (m *Member) configure(r *request) (bson.D, error) {
	name := r.text("configureFailPoint")
	if !knownFailPoints[name] {
		return nil, failf(codeFailPointSetFailed, "%s not found", name)
	}
	p, err := parseFailPoint(r)
	if err != nil {
		return nil, err
	}
	count := m.fails.set(name, p)
	if d, ok := m.backend.(*mongod); ok {
		d.heedFailPoints()
	}
	return doc("count", count, "ok", 1.0), nil
}

// heedFailPoints lets those who wait look at the fail points again. The two that
// stop a secondary from taking over writes are also a state of it.
func (d *mongod) heedFailPoints() {
	stopped := d.fails.on("stopReplProducer") || d.fails.on("rsSyncApplyStop")
	if stopped != d.paused && (stopped || d.pausedByPoint) {
		d.paused, d.pausedByPoint = stopped, stopped
		d.set.evaluate(d.set.dep.cfg.electionTimeout)
	}
	d.set.wake()
}

// on reports whether a fail point is active, without entering it.
func (f *failPoints) on(name string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.points[name]
	return p != nil && (!p.limited || p.times > 0)
}

// pause holds a request up while a fail point is on. That may be for a namespace
// alone, by the field "nss" or "namespace" of its data.
func (d *mongod) pause(r *request, name, ns string) error {
	p := d.fails.take(name, func(p *failPoint) bool { return p.concerns(ns) })
	if p == nil {
		return nil
	}
	return d.set.wait(r.ctx, func() bool { return !d.fails.on(name) })
}

func (p *failPoint) concerns(ns string) bool {
	for _, key := range []string{"nss", "namespace"} {
		if want, ok := p.data.Lookup(key).StringValueOK(); ok && want != "" {
			return want == ns
		}
	}
	return true
}

// failGetMore is the fail point for a getMore whose cursor was found.
func (d *mongod) failGetMore(ns string) error {
	p := d.fails.take("failGetMoreAfterCursorCheckout", func(p *failPoint) bool { return p.concerns(ns) })
	if p == nil {
		return nil
	}
	if code, ok := asInt(p.data.Lookup("errorCode")); ok {
		return failf(int32(code), "Hit the 'failGetMoreAfterCursorCheckout' failpoint")
	}
	return nil
}

// FailCommand makes commands fail on this member until the returned function
// is called, another fail point takes the place, or Times are over.
func (m *Member) FailCommand(fc FailCommand) (off func()) {
	p := &failPoint{fc: fc, times: fc.Times, limited: fc.Times > 0, skip: fc.Skip, always: fc.Times == 0}
	m.fails.set("failCommand", p)
	return func() { m.fails.set("failCommand", nil) }
}
