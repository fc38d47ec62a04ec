package exec

import (
	"context"
	"fmt"
	"slices"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/fault"
	"github.com/mgxdb/mgx/internal/sdam"
	"github.com/mgxdb/mgx/internal/wire"
)

// Cipher changes what commands say before they are sent, and what replies say before
// they are read. It may run commands of its own, of this executor too: no connection is
// held meanwhile.
type Cipher interface {
	// Encrypts reports whether commands of this name go through Encrypt.
	Encrypts(name string) bool
	// Encrypt returns a command as it is to be sent, without what every command
	// carries. command has its document sequences as arrays, and is only lent.
	Encrypt(ctx context.Context, database string, command []byte) ([]byte, error)
	// Decrypt returns a reply as it is to be read: reply itself, if there is nothing
	// to change.
	Decrypt(ctx context.Context, reply []byte) ([]byte, error)
}

// splitSize is where the writes of an operation that is encrypted are split, because
// they grow: see the specification "Client Side Encryption", on size limits.
const splitSize = 2 << 20

// CipherError is a command that could not be encrypted, and was not sent, or a reply that
// could not be decrypted.
type CipherError struct {
	Command string
	Reply   bool
	Err     error
}

func (e *CipherError) Error() string {
	if e.Reply {
		return fmt.Sprintf("%s: decrypt the reply: %v", e.Command, e.Err)
	}
	return fmt.Sprintf("%s: encrypt the command: %v; it was not sent", e.Command, e.Err)
}

// Unwrap returns the cause.
func (e *CipherError) Unwrap() error { return e.Err }

// Categories implements fault.Categorized.
func (e *CipherError) Categories() []error {
	return append(slices.Clone(fault.Categories(e.Err)), fault.ErrEncryption)
}

// runEncrypted is Run with a cipher. All attempts send the same bytes.
func (x *Executor) runEncrypted(ctx context.Context, op *Op, b *Binding) (Result, error) {
	if !b.streaming && x.Cipher.Encrypts(op.Name) {
		encrypted, err := x.encrypt(ctx, op)
		if err != nil {
			return Result{}, err
		}
		op = &encrypted
	}
	res, err := x.send(ctx, op, b)
	if err != nil || res.Unacknowledged {
		return res, err
	}
	body, err := x.Cipher.Decrypt(ctx, res.Body)
	if err != nil {
		res.Release()
		return Result{Sent: true}, &CipherError{Command: op.Name, Reply: true, Err: err}
	}
	if len(body) > 0 && &body[0] != &res.Body[0] {
		res.Replace(body)
	}
	return res, nil
}

// encrypt returns the command with a body that is encrypted, and has the documents of
// the sequences.
func (x *Executor) encrypt(ctx context.Context, op *Op) (Op, error) {
	buf := wire.GetBuffer(0)
	defer buf.Release()
	plain, err := op.appendWhole(buf.B, x.cipherLimits())
	buf.B = plain
	if err != nil {
		return Op{}, err
	}
	command, err := x.Cipher.Encrypt(ctx, op.Database, plain)
	if err == nil {
		err = bsonwire.Validate(command)
	}
	if err != nil {
		return Op{}, &CipherError{Command: op.Name, Err: err}
	}
	if limit := x.cipherLimits().MaxDocument + sdam.CommandOverhead; len(command) > limit {
		return Op{}, fmt.Errorf("%w: %s takes %d bytes when it is encrypted, the server accepts %d", ErrTooLarge, op.Name, len(command), limit)
	}
	if len(plain) > 0 && &command[0] == &plain[0] {
		command = append([]byte(nil), plain...) // the buffer goes back
	}
	encrypted := *op // after its documents: they decide whether it is retryable
	encrypted.Documents, encrypted.MoreDocuments = nil, nil
	encrypted.Body = func(dst []byte) ([]byte, error) { return append(dst, command[4:len(command)-1]...), nil }
	return encrypted, nil
}

// appendWhole appends the command as one document, without what every command carries.
func (op *Op) appendWhole(dst []byte, limits Limits) ([]byte, error) {
	b, start := bsonwire.Begin(dst)
	out, err := op.Body(b)
	if err != nil {
		return b, err
	}
	b = out
	if op.Documents != nil {
		limits.Room = limits.MaxMessage - len(b)
		limits.Target = splitSize
		documents := wire.GetBuffer(0)
		defer documents.Release()
		for _, s := range []struct {
			name   string
			append func([]byte) ([]byte, error)
		}{
			{op.Sequence, func(dst []byte) ([]byte, error) { return op.Documents(dst, limits) }},
			{op.Second, func(dst []byte) ([]byte, error) { return op.MoreDocuments(dst), nil }},
		} {
			if s.name == "" {
				continue
			}
			list, err := s.append(documents.B[:0])
			if err != nil {
				return b, err
			}
			documents.B = list
			b = appendArrayOf(b, wire.Sequence{Identifier: s.name, Documents: list})
		}
	}
	return bsonwire.End(b, start), nil
}

// appendArrayOf appends the documents of a sequence as an array.
func appendArrayOf(b []byte, s wire.Sequence) []byte {
	b, array := bsonwire.BeginArray(b, s.Identifier)
	for i := 0; ; i++ {
		doc, ok := s.Next()
		if !ok {
			return bsonwire.End(b, array)
		}
		b = append(bsonwire.AppendIndexHeader(b, bson.TypeEmbeddedDocument, i), doc...)
	}
}

// cipherLimits are the least ones of the servers that are known.
func (x *Executor) cipherLimits() Limits {
	l := Limits{MaxDocument: sdam.DefaultMaxBSONObjectSize, MaxMessage: sdam.DefaultMaxMessageSizeBytes, MaxBatch: sdam.DefaultMaxWriteBatchSize}
	for _, s := range x.Topology.Description().Servers {
		if s.MaxBSONObjectSize > 0 && s.MaxMessageSizeBytes > 0 && s.MaxWriteBatchSize > 0 {
			l.MaxDocument = min(l.MaxDocument, int(s.MaxBSONObjectSize))
			l.MaxMessage = min(l.MaxMessage, int(s.MaxMessageSizeBytes))
			l.MaxBatch = min(l.MaxBatch, int(s.MaxWriteBatchSize))
		}
	}
	return l
}
