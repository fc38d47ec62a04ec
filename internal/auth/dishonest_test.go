package auth

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// onRound changes the payload of round r.
func onRound(r int, f func(string) string) func(int, string) string {
	return func(round int, payload string) string {
		if round == r {
			return f(payload)
		}
		return payload
	}
}

// field returns attribute i of a SCRAM message without its name.
func field(msg string, i int) string { return strings.Split(msg, ",")[i][2:] }

func TestDishonestScramServers(t *testing.T) {
	swap := func(from, to string) func(string) string {
		return func(p string) string {
			if !strings.Contains(p, from) {
				t.Errorf("%q is not in %q", from, p)
			}
			return strings.Replace(p, from, to, 1)
		}
	}
	tests := []struct {
		name   string
		tamper func(int, string) string
		want   string
	}{
		{"low iteration count", onRound(1, swap("i=4096", "i=4095")), "4095 iterations, fewer than"},
		{"one iteration", onRound(1, swap("i=4096", "i=1")), "fewer than"},
		{"absurd iteration count", onRound(1, swap("i=4096", "i=2147483647")), "more than the 10000000"},
		{"overflowing iteration count", onRound(1, swap("i=4096", "i=99999999999999999999")), "no valid iteration count"},
		{"negative iteration count", onRound(1, swap("i=4096", "i=-4096")), "no valid iteration count"},
		{"signed iteration count", onRound(1, swap("i=4096", "i=+4096")), "no valid iteration count"},
		{"no iteration count", onRound(1, swap(",i=4096", "")), "incomplete"},
		{"other nonce", onRound(1, func(p string) string { return "r=AAAA" + p[2:] }), "does not extend"},
		{"the client's nonce alone", onRound(1, func(p string) string {
			return fmt.Sprintf("r=%s,s=%s,i=4096", field(p, 0)[:32], field(p, 1))
		}), "does not extend"},
		{"cut nonce", onRound(1, func(p string) string {
			return fmt.Sprintf("r=%s,s=%s,i=4096", field(p, 0)[:31], field(p, 1))
		}), "does not extend"},
		{"unprintable nonce", onRound(1, func(p string) string {
			return fmt.Sprintf("r=%s\n,s=%s,i=4096", field(p, 0), field(p, 1))
		}), "no valid nonce"},
		{"no salt", onRound(1, func(p string) string { return fmt.Sprintf("r=%s,s=,i=4096", field(p, 0)) }), "no valid salt"},
		{"bad salt", onRound(1, func(p string) string { return fmt.Sprintf("r=%s,s=!!!,i=4096", field(p, 0)) }), "no valid salt"},
		{"mandatory extension", onRound(1, func(p string) string { return "m=x," + p }), "extension"},
		{"empty", onRound(1, func(string) string { return "" }), "incomplete"},
		{"garbage", onRound(1, func(string) string { return "\xff\x00,\xfe,," }), "no valid nonce"},
		{"huge payload", onRound(1, func(p string) string { return p + strings.Repeat(",x=y", maxPayload/4) }), "more than the 65536"},
		{"other salt", onRound(1, func(p string) string {
			return fmt.Sprintf("r=%s,s=AAAA,i=4096", field(p, 0))
		}), "the server says"}, // the proof is wrong then

		{"wrong signature", onRound(2, func(string) string { return "v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=" }), "signature is wrong"},
		{"short signature", onRound(2, func(p string) string { return "v=AAAA" }), "signature is wrong"},
		{"empty signature", onRound(2, func(string) string { return "v=" }), "no valid signature"},
		{"no signature", onRound(2, func(string) string { return "" }), "no valid signature"},
		{"bad signature", onRound(2, func(string) string { return "v=\x00" }), "no valid signature"},
		{"SCRAM error", onRound(2, func(string) string { return "e=invalid-proof" }), `ends the exchange: "invalid-proof"`},
		{"long SCRAM error", onRound(2, func(string) string { return "e=" + strings.Repeat("x", 2000) }), "…"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "user", Password: "s3cret-password"}})
			server := newScramServer(t, ScramSHA256, "user", "s3cret-password", 4096)
			server.tamper = test.tamper
			conv := mustBegin(t, a)
			_, err := run(t, conv, nil, server.serve)
			if err == nil {
				t.Fatal("the client trusts the server")
			}
			var e *Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error is %v, want %q in it", err, test.want)
			}
			if len(err.Error()) > 1000 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if _, done, err := conv.Next(t.Context(), saslReply(7, true, nil)); done || !errors.Is(err, errFinished) {
				t.Errorf("a failed conversation goes on: %v, %v", done, err)
			}
		})
	}
}

func TestDishonestFraming(t *testing.T) {
	signature := func(s *scramServer, cmd []byte) []byte { return payloadOf(s.serve(cmd)) }
	tests := []struct {
		name  string
		reply func(s *scramServer, round int, cmd []byte) []byte
		want  string
	}{
		{"done at once", func(s *scramServer, _ int, cmd []byte) []byte { return saslReply(7, true, payloadOf(s.serve(cmd))) }, "before it was complete"},
		{"done at once without payload", func(*scramServer, int, []byte) []byte { return saslReply(7, true, nil) }, "incomplete"},
		{"other conversation", func(s *scramServer, round int, cmd []byte) []byte {
			return saslReply(6+round, round == 2, signature(s, cmd))
		}, "another conversation"},
		{"no conversation", func(s *scramServer, _ int, cmd []byte) []byte {
			return build("done", false, "payload", bin(payloadOf(s.serve(cmd))), "ok", 1)
		}, "no conversationId"},
		{"conversation of a string", func(*scramServer, int, []byte) []byte {
			return build("conversationId", "7", "ok", 1)
		}, "no whole number"},
		{"payload of a string", func(s *scramServer, _ int, cmd []byte) []byte {
			return build("conversationId", 7, "payload", "eA==", "ok", 1)
		}, "not binary"},
		{"no ok", func(s *scramServer, _ int, cmd []byte) []byte {
			return build("conversationId", 7, "payload", bin(payloadOf(s.serve(cmd))))
		}, "no ok field"},
		{"garbage", func(*scramServer, int, []byte) []byte { return []byte("garbage") }, "not a valid document"},
		{"empty", func(*scramServer, int, []byte) []byte { return []byte{} }, "not a valid document"},
		{"extra rounds", func(s *scramServer, round int, cmd []byte) []byte {
			if round > 2 {
				return saslReply(7, false, nil)
			}
			return saslReply(7, false, signature(s, cmd))
		}, "goes on although"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "user", Password: "password"}})
			server := newScramServer(t, ScramSHA256, "user", "password", 4096)
			round := 0
			_, err := run(t, mustBegin(t, a), nil, func(cmd []byte) []byte {
				round++
				return test.reply(server, round, cmd)
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestMissingReply(t *testing.T) {
	for _, cred := range []Credential{
		{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p"}},
		{Static: Static{Mechanism: X509}},
		{Static: Static{Mechanism: OIDC}, OIDCCallback: staticToken("token")},
	} {
		conv := mustBegin(t, mustNew(t, cred))
		if _, _, err := conv.Next(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conv.Next(t.Context(), nil); !errors.Is(err, errNoReply) {
			t.Errorf("%s: %v", cred.Mechanism, err)
		}
	}
}
