package exec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx/bson"
	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/conn"
	"github.com/mgxdb/mgx/internal/sdam"
)

// The error labels that servers and drivers attach.
const (
	LabelRetryableWrite           = "RetryableWriteError"
	LabelNoWritesPerformed        = "NoWritesPerformed"
	LabelTransientTransaction     = "TransientTransactionError"
	LabelUnknownTransactionCommit = "UnknownTransactionCommitResult"
)

// ServerError is a reply with ok: 0.
type ServerError struct {
	Address string
	Command string
	Code    int32
	Name    string
	Message string
	Labels  []string
	Raw     []byte

	topologyVersion *sdam.TopologyVersion
}

func (e *ServerError) Error() string {
	name := e.Name
	if name == "" {
		name = fmt.Sprintf("code %d", e.Code)
	}
	return fmt.Sprintf("%s on %s: %s: %s", e.Command, e.Address, name, e.Message)
}

// HasLabel tells whether the server or exec attached a label.
func (e *ServerError) HasLabel(label string) bool { return slices.Contains(e.Labels, label) }

func newServerError(op *Op, address string, h *head, reply []byte) *ServerError {
	e := &ServerError{
		Address: address,
		Command: op.Name,
		Code:    h.code,
		Name:    string(h.codeName),
		Message: string(h.message),
		Labels:  labelsOf(h.labels),
		Raw:     bytes.Clone(reply),
	}
	e.topologyVersion = topologyVersion(h)
	if e.Code == codeIllegalOperation && strings.HasPrefix(e.Message, "Transaction numbers") {
		e.Message = "This MongoDB deployment does not support retryable writes. Please add retryWrites=false to your connection string."
	}
	if e.Message == "" {
		e.Message = "the server refused the command without a reason"
	}
	return e
}

const codeIllegalOperation = 20

func topologyVersion(h *head) *sdam.TopologyVersion {
	if h.topologyVersion == nil {
		return nil
	}
	tv, _ := sdam.ParseTopologyVersion(bsonwire.Value{Type: bson.TypeEmbeddedDocument, Data: h.topologyVersion})
	return tv
}

// ReplyError is a reply that does not make sense.
type ReplyError struct {
	Address string
	Command string
	Err     error
}

func (e *ReplyError) Error() string {
	return fmt.Sprintf("%s on %s: reply cannot be read: %v", e.Command, e.Address, e.Err)
}

func (e *ReplyError) Unwrap() error { return e.Err }

// OperationError wraps an error of the network or of a pool with the labels
// that the specifications ask for.
type OperationError struct {
	Command string
	Labels  []string
	Err     error
}

func (e *OperationError) Error() string { return e.Command + ": " + e.Err.Error() }

func (e *OperationError) Unwrap() error { return e.Err }

// ErrUnsupported is returned where the server is too old for what was asked.
var ErrUnsupported = errors.New("the server does not support this")

// networkError returns the connection's error in err, if it is of the network.
func networkError(err error) (*conn.Error, bool) {
	var ce *conn.Error
	if errors.As(err, &ce) && (ce.Kind == conn.Network || ce.Kind == conn.SocketTimeout || ce.Kind == conn.Protocol) {
		return ce, true
	}
	return nil, false
}
