package exec

import (
	"context"
	"errors"
	"time"

	"github.com/mgxdb/mgx/internal/compress"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/reply"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wireversion"
)

// exchange sends the command, and reads the reply's head. Where the server sends its
// replies by itself, it waits for the next one; observers get the command that would have
// asked for it.
func (r *run) exchange(ctx context.Context, server *Server, lease *Lease) (Result, reply.Head, error) {
	c, unasked := lease.Conn(), r.b.streaming
	env := r.envelope(ctx, server, c.Description())
	if err := r.tooLate(&env); err != nil && !unasked {
		return Result{}, reply.Head{}, err
	}
	var f frame
	if !unasked || r.x.Observers.watches() {
		var err error
		if f, err = r.encode(&env, server, lease); err != nil {
			return Result{}, reply.Head{}, err
		}
		defer f.buf.Release()
	}
	r.txnNumber = env.txnNumber // the documents may not allow one

	r.sent, r.asked = true, true
	if r.inTransaction && !r.op.Ends {
		r.b.Session.sent(env.topology, server, lease)
	}
	watch := r.x.Observers.start(ctx, r, &f, lease)
	res := Result{Server: server, Desc: env.desc, Unacknowledged: !r.op.acknowledged()}
	var err error
	switch {
	case unasked:
		res.Reply, err = c.Receive(ctx)
		r.b.streaming = err != nil || res.More
	case res.Unacknowledged:
		err = c.Send(ctx, f.buf.B, compress.Allowed(r.op.Name))
		watch.sent(err)
		return res, reply.Head{OK: true}, err
	default:
		res.Reply, err = c.RoundTrip(ctx, f.buf.B, compress.Allowed(r.op.Name))
	}
	h, err := r.head(&res, err)
	if err != nil {
		watch.failed(err)
		res.Release()
		return Result{}, reply.Head{}, err
	}
	watch.succeeded(res.Body)
	return res, h, nil
}

// envelope is what the command carries to the server at hand.
func (r *run) envelope(ctx context.Context, server *Server, desc *sdam.Server) envelope {
	x := r.x
	env := envelope{
		desc: desc, topology: x.Topology.Kind(), api: x.API, txnNumber: r.txnNumber,
		transaction: r.inTransaction, starts: r.starts && !r.op.Ends, read: r.readConcern(desc),
	}
	if r.session != nil && r.op.acknowledged() {
		env.lsid = r.session.LSID
	}
	if r.x.Comment != nil && desc.MaxWireVersion >= wireversion.AnyComment {
		env.comment = r.x.Comment(ctx)
	}
	if gossips(desc.Kind) {
		env.clusterTime = x.Time.Load()
		if s := r.b.Session; s != nil {
			env.clusterTime = laterClusterTime(env.clusterTime, s.ClusterTime())
		}
	}
	if r.op.Access == ReadThenWrite {
		env.needPrimary = x.Topology.Description().WritesNeedPrimary()
	}
	if deadline, ok := ctx.Deadline(); ok {
		env.deadline, env.minRTT = deadline, x.minRTT(server)
	}
	return env
}

// minRTT is the shortest time in which a server has answered lately.
func (x *Executor) minRTT(server *Server) time.Duration {
	if d := x.Topology.Description().Server(server.Address()); d != nil {
		return d.MinRTT
	}
	return 0
}

// gossips reports whether $clusterTime is exchanged with this kind of server.
func gossips(k sdam.ServerKind) bool {
	return k == sdam.Mongos || k == sdam.RSPrimary || k == sdam.RSSecondary || k == sdam.LoadBalancer
}

// tooLate is the error of a command whose answer would come after the deadline, and cost
// the connection; nil: there is time.
func (r *run) tooLate(env *envelope) error {
	if env.deadline.IsZero() || !r.op.tells() {
		return nil
	}
	if left := time.Until(env.deadline); left <= env.minRTT {
		return &LateError{Left: left, MinRTT: env.minRTT}
	}
	return nil
}

// encode encodes the command. What the user's types do there may panic, or end the
// goroutine: the connection goes back then, as nothing was sent.
func (r *run) encode(env *envelope, server *Server, lease *Lease) (frame, error) {
	returned := false
	defer func() {
		if !returned {
			r.release(server, lease)
		}
	}()
	f, err := r.op.encode(env, &r.x.room)
	returned = true
	return f, err
}

// head reads the head of a reply, if there is one, and passes on the times in it. The
// error is that of the exchange, or the server's.
func (r *run) head(res *Result, err error) (reply.Head, error) {
	if err != nil {
		return reply.Head{}, err
	}
	h, err := reply.ReadHead(res.Body)
	if err != nil {
		return h, &ReplyError{Address: res.Server.Address(), Command: r.op.Name, Err: err}
	}
	if h.ClusterTime != nil {
		r.x.Time.Advance(h.ClusterTime)
	}
	if s := r.b.Session; s != nil {
		s.saw(&h, res.Body, r.inTransaction)
	}
	inside, address := r.inTransaction && !r.op.Ends, res.Server.Address()
	if !h.OK {
		err := newServerError(r.op, address, res.Body, r.inTransaction)
		if inside {
			r.b.Session.sawRefusal(r.op.Name, address, err.Document, err.Labels)
		}
		return h, err
	}
	if inside && r.op.Access != Read {
		if d := fault.FirstWriteError(res.Body); d != nil {
			r.b.Session.sawRefusal(r.op.Name, address, *d, fault.Labels(h.Labels))
		}
	}
	return h, nil
}

// expired reports whether the server demands to authenticate again.
func expired(err error) bool {
	if err == nil {
		return false // before there is a variable to allocate
	}
	var server *ServerError
	return errors.As(err, &server) && server.Code == fault.ReauthenticationRequired
}
