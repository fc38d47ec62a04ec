package auth

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/scramtest"
)

// handler answers one command like a server.
type handler func(cmd []byte) []byte

// run drives a conversation against a server, from the first command or, with
// first, from hello's document. It returns the number of commands sent.
func run(t *testing.T, conv Conversation, first []byte, serve handler) (commands int, err error) {
	t.Helper()
	reply := first
	for range 20 {
		cmd, done, err := conv.Next(t.Context(), reply)
		if err != nil {
			if cmd != nil || done {
				t.Errorf("an error came with cmd %v and done %v", cmd, done)
			}
			return commands, err
		}
		if done {
			if cmd != nil {
				t.Errorf("done came with a command")
			}
			return commands, nil
		}
		if err := bsonwire.Validate(cmd); err != nil {
			t.Fatalf("command %d: %v", commands, err)
		}
		commands++
		if reply = serve(cmd); reply == nil {
			t.Fatal("the server has no answer")
		}
	}
	t.Fatal("the conversation does not end")
	return 0, nil
}

func mustNew(t testing.TB, cred Credential) *Authenticator {
	t.Helper()
	a, err := New(cred)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func mustBegin(t testing.TB, a *Authenticator, mechs ...string) Conversation {
	t.Helper()
	conv, err := a.Begin(t.Context(), "localhost:27017", mechs)
	if err != nil {
		t.Fatal(err)
	}
	return conv
}

// field types of build.
type (
	bin  []byte
	kvs  []any // key, value in turn
	list []any
)

// build makes a document of keys and values in turn.
func build(fields ...any) []byte {
	doc, start := bsonwire.Begin(nil)
	return bsonwire.End(appendFields(doc, fields), start)
}

func appendFields(doc []byte, fields []any) []byte {
	for i := 0; i < len(fields); i += 2 {
		key := fields[i].(string)
		switch v := fields[i+1].(type) {
		case int:
			doc = bsonwire.AppendInt32(doc, key, int32(v))
		case int64:
			doc = bsonwire.AppendInt64(doc, key, v)
		case float64:
			doc = bsonwire.AppendDouble(doc, key, v)
		case bool:
			doc = bsonwire.AppendBoolean(doc, key, v)
		case string:
			doc = bsonwire.AppendString(doc, key, v)
		case bin:
			doc = bsonwire.AppendBinary(doc, key, 0, v)
		case kvs:
			var start int
			doc, start = bsonwire.BeginDocument(doc, key)
			doc = bsonwire.End(appendFields(doc, v), start)
		case list:
			var start int
			doc, start = bsonwire.BeginArray(doc, key)
			for j, e := range v {
				doc = appendFields(doc, []any{bsonwire.Index(j), e})
			}
			doc = bsonwire.End(doc, start)
		default:
			panic(v)
		}
	}
	return doc
}

func saslReply(id int, done bool, payload []byte) []byte {
	return build("conversationId", id, "done", done, "payload", bin(payload), "ok", 1)
}

func errorReply(code int, name, text string) []byte {
	return build("ok", 0.0, "errmsg", text, "code", code, "codeName", name)
}

func str(doc []byte, path ...string) string {
	v, _ := bsonwire.Lookup(doc, path...)
	s, _ := v.AsString()
	return s
}

func payloadOf(cmd []byte) []byte {
	v, _ := bsonwire.Lookup(cmd, "payload")
	_, data, _ := v.AsBinary()
	return data
}

func commandName(doc []byte) string {
	it := bsonwire.NewReader(doc)
	it.Next()
	return string(it.Key())
}

func unbase64(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// scramServer is a server's side of SCRAM over saslStart and saslContinue.
type scramServer struct {
	t         *testing.T
	conv      *scramtest.Conversation
	mechanism string
	long      bool // demand the empty round of old servers

	// tamper changes the server's messages on the way; round counts from 1.
	tamper func(round int, payload string) string

	round    int
	starts   int
	commands []string
}

func newScramServer(t *testing.T, mechanism, user, password string, iterations int) *scramServer {
	t.Helper()
	salt := strings.Repeat(mechanism[len(mechanism)-1:], 16)
	generator := sha256.New
	var prepared string
	var err error
	if mechanism == ScramSHA1 {
		generator = sha1.New
		prepared, _ = sha1Hash.scramPassword(user, password)
	} else if prepared, err = saslPrep(password); err != nil {
		t.Fatal(err)
	}
	server, err := scramtest.New(generator, user, prepared, salt, iterations)
	if err != nil {
		t.Fatal(err)
	}
	return &scramServer{t: t, conv: server.Begin(), mechanism: mechanism}
}

func (s *scramServer) serve(cmd []byte) []byte {
	s.commands = append(s.commands, commandName(cmd))
	switch commandName(cmd) {
	case "saslStart":
		s.starts++
		if got := str(cmd, "mechanism"); got != s.mechanism {
			return errorReply(18, "AuthenticationFailed", "Authentication failed.")
		}
		v, _ := bsonwire.Lookup(cmd, "options", "skipEmptyExchange")
		if skip, _ := v.AsBool(); !skip {
			s.t.Error("saslStart without skipEmptyExchange")
		}
	case "saslContinue":
		v, _ := bsonwire.Lookup(cmd, "conversationId")
		if id, _ := v.AsInt64(); id != 7 {
			s.t.Errorf("conversationId is %d", id)
		}
	default:
		s.t.Fatalf("unexpected command %q", commandName(cmd))
	}
	s.round++
	if s.round == 3 {
		if len(payloadOf(cmd)) > 0 {
			s.t.Errorf("the empty round has payload %q", payloadOf(cmd))
		}
		return saslReply(7, true, nil)
	}
	payload, err := s.conv.Step(string(payloadOf(cmd)))
	if err != nil {
		return errorReply(18, "AuthenticationFailed", "Authentication failed.")
	}
	if s.tamper != nil {
		payload = s.tamper(s.round, payload)
	}
	return saslReply(7, s.round == 2 && !s.long, []byte(payload))
}
