package auth

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/mgxdb/mgx/bson/bsonwire"
	"github.com/mgxdb/mgx/internal/setup"
)

// The examples of RFC 5802, section 5, and RFC 7677, section 3.
func TestRFCVectors(t *testing.T) {
	tests := []struct {
		hash                              scramHash
		nonce, serverFirst, proof, server string
	}{
		{sha1Hash, "fyko+d2lbbFgONRv9qkxdawL",
			"r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
			"c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
			"rmF9pqV8S7suAoZWja4dJRkFsKQ="},
		{sha256Hash, "rOprNGfwEbeRWgbNEkqO",
			"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
			"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
			"6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="},
	}
	for _, test := range tests {
		first, err := parseServerFirst(test.serverFirst, test.nonce)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := test.hash.derive("pencil", first.salt, first.iterations)
		if err != nil {
			t.Fatal(err)
		}
		msg, signature := test.hash.clientFinal(keys, "n=user,r="+test.nonce, test.serverFirst, first.nonce)
		if msg != test.proof {
			t.Errorf("%s: final message is\n%s, want\n%s", test.hash.name, msg, test.proof)
		}
		if got := base64.StdEncoding.EncodeToString(signature); got != test.server {
			t.Errorf("%s: server signature is %s, want %s", test.hash.name, got, test.server)
		}
	}
}

// The conversations of the specification, MongoDB's digested password and
// commands included.
func TestSpecificationVectors(t *testing.T) {
	tests := []struct {
		mechanism, nonce, start, serverFirst, proof, serverFinal string
	}{
		{ScramSHA1, "fyko+d2lbbFgONRv9qkxdawL",
			"biwsbj11c2VyLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdM",
			"cj1meWtvK2QybGJiRmdPTlJ2OXFreGRhd0xIbytWZ2s3cXZVT0tVd3VXTElXZzRsLzlTcmFHTUhFRSxzPXJROVpZM01udEJldVAzRTFURFZDNHc9PSxpPTEwMDAw",
			"Yz1iaXdzLHI9ZnlrbytkMmxiYkZnT05Sdjlxa3hkYXdMSG8rVmdrN3F2VU9LVXd1V0xJV2c0bC85U3JhR01IRUUscD1NQzJUOEJ2Ym1XUmNrRHc4b1dsNUlWZ2h3Q1k9",
			"dj1VTVdlSTI1SkQxeU5ZWlJNcFo0Vkh2aFo5ZTA9"},
		{ScramSHA256, "rOprNGfwEbeRWgbNEkqO",
			"biwsbj11c2VyLHI9ck9wck5HZndFYmVSV2diTkVrcU8=",
			"cj1yT3ByTkdmd0ViZVJXZ2JORWtxTyVodllEcFdVYTJSYVRDQWZ1eEZJbGopaE5sRiRrMCxzPVcyMlphSjBTTlk3c29Fc1VFamI2Z1E9PSxpPTQwOTY=",
			"Yz1iaXdzLHI9ck9wck5HZndFYmVSV2diTkVrcU8laHZZRHBXVWEyUmFUQ0FmdXhGSWxqKWhObEYkazAscD1kSHpiWmFwV0lrNGpVaE4rVXRlOXl0YWc5empmTUhnc3FtbWl6N0FuZFZRPQ==",
			"dj02cnJpVFJCaTIzV3BSUi93dHVwK21NaFVaVW4vZEI1bkxUSlJzamw5NUc0PQ=="},
	}
	for _, test := range tests {
		for _, long := range []bool{false, true} {
			for _, speculative := range []bool{false, true} {
				a := mustNew(t, Credential{Static: Static{Mechanism: test.mechanism, Username: "user", Password: "pencil", Source: "db"}})
				for _, client := range []*scramClient{a.sha1, a.sha256} {
					client.nonce = func() string { return test.nonce }
				}
				want := []string{test.start, test.proof, ""}
				replies := [][]byte{
					saslReply(1, false, unbase64(t, test.serverFirst)),
					saslReply(1, !long, unbase64(t, test.serverFinal)),
					saslReply(1, true, nil),
				}
				sent := 0
				serve := func(cmd []byte) []byte {
					if got := base64.StdEncoding.EncodeToString(payloadOf(cmd)); got != want[sent] {
						t.Errorf("%s: payload %d is %s, want %s", test.mechanism, sent, got, want[sent])
					}
					sent++
					return replies[sent-1]
				}
				conv, first := mustBegin(t, a), []byte(nil)
				if speculative {
					var doc []byte
					var err error
					if conv, doc, err = a.Speculate(t.Context(), "localhost"); err != nil {
						t.Fatal(err)
					}
					if str(doc, "db") != "db" {
						t.Errorf("speculativeAuthenticate has db %q", str(doc, "db"))
					}
					serve(doc)
					first = build("conversationId", 1, "done", false, "payload", bin(unbase64(t, test.serverFirst)))
				}
				if _, err := run(t, conv, first, serve); err != nil {
					t.Error(err)
				}
				if wantSent := map[bool]int{false: 2, true: 3}[long]; sent != wantSent {
					t.Errorf("%s long=%v speculative=%v: %d commands, want %d", test.mechanism, long, speculative, sent, wantSent)
				}
				if conv.Mechanism() != test.mechanism || conv.Database() != "db" {
					t.Errorf("the conversation is %s on %s", conv.Mechanism(), conv.Database())
				}
			}
		}
	}
}

func TestScramUsersAndPasswords(t *testing.T) {
	tests := []struct {
		mechanism, user, password, stored string
		fails                             bool
	}{
		{ScramSHA256, "IX", "IX", "IX", false},
		{ScramSHA256, "IX", "I\u00adX", "IX", false},
		{ScramSHA256, "\u2168", "IV", "\u2163", false},
		{ScramSHA256, "\u2168", "I\u00adV", "\u2163", false},
		{ScramSHA256, "IX", "IV", "IX", true},
		{ScramSHA1, "IX", "I\u00adX", "IX", true}, // no SASLprep here
		{ScramSHA1, "IX", "I\u00adX", "I\u00adX", false},
		{ScramSHA1, "a=b,c", "p=q,r", "p=q,r", false},
		{ScramSHA256, "a=b,c", "p=q,r", "p=q,r", false},
		{ScramSHA1, "user", "\x01\U0001F511", "\x01\U0001F511", false},
		{ScramSHA256, "user", "", "", false},
	}
	for _, test := range tests {
		a := mustNew(t, Credential{Static: Static{Mechanism: test.mechanism, Username: test.user, Password: test.password, PasswordSet: true}})
		server := newScramServer(t, test.mechanism, test.user, test.stored, 4096)
		n, err := run(t, mustBegin(t, a), nil, server.serve)
		if (err != nil) != test.fails {
			t.Errorf("%s %q with password %q for %q: %v", test.mechanism, test.user, test.password, test.stored, err)
		}
		if n != 2 {
			t.Errorf("%d commands", n)
		}
		if test.fails {
			var e *Error
			if !errors.As(err, &e) || e.Code != 18 || !e.Server() || e.Username != test.user || e.Mechanism != test.mechanism ||
				!strings.Contains(err.Error(), "check the user name, the password and authSource") {
				t.Errorf("the error is %v", err)
			}
		}
	}
}

func TestForbiddenPassword(t *testing.T) {
	const password = "sec\u0007ret"
	_, err := New(Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: password}})
	var config *setup.Error
	if !errors.As(err, &config) || config.Option != "password" {
		t.Errorf("New returned %v", err)
	}
	// Without a mechanism it may still do for SCRAM-SHA-1.
	a := mustNew(t, Credential{Static: Static{Username: "u", Password: password}})
	if conv, doc, err := a.Speculate(t.Context(), "localhost"); conv != nil || doc != nil || err != nil {
		t.Errorf("Speculate returned %v, %v, %v", conv, doc, err)
	}
	server := newScramServer(t, ScramSHA1, "u", password, 4096)
	if _, err := run(t, mustBegin(t, a, ScramSHA1), nil, server.serve); err != nil {
		t.Error(err)
	}
	_, err = run(t, mustBegin(t, a, ScramSHA256), nil, func([]byte) []byte { t.Error("something was sent"); return nil })
	if err == nil || strings.Contains(err.Error(), "secr") || !strings.Contains(err.Error(), "SASLprep") {
		t.Errorf("error is %v", err)
	}
}

func TestNegotiation(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Username: "\u00fcser.x", Password: "p", Database: "shop"}})
	if ns, ok := a.Negotiates(); !ok || ns != "shop.\u00fcser.x" {
		t.Errorf("negotiates %q, %v", ns, ok)
	}
	for _, test := range []struct {
		mechs []string
		want  string
	}{
		{nil, ScramSHA1},
		{[]string{}, ScramSHA1},
		{[]string{"PLAIN", "new"}, ScramSHA1},
		{[]string{ScramSHA1}, ScramSHA1},
		{[]string{ScramSHA256}, ScramSHA256},
		{[]string{ScramSHA1, ScramSHA256}, ScramSHA256},
	} {
		if got := mustBegin(t, a, test.mechs...).Mechanism(); got != test.want {
			t.Errorf("%v gives %s, want %s", test.mechs, got, test.want)
		}
	}
	_, doc, err := a.Speculate(t.Context(), "localhost")
	if err != nil || str(doc, "mechanism") != ScramSHA256 || str(doc, "db") != "shop" {
		t.Errorf("speculates %v, %v", doc, err)
	}
	for _, mechanism := range []string{ScramSHA1, ScramSHA256, Plain} {
		a := mustNew(t, Credential{Static: Static{Mechanism: mechanism, Username: "u", Password: "p"}})
		if ns, ok := a.Negotiates(); ok || ns != "" {
			t.Errorf("%s negotiates %q", mechanism, ns)
		}
		if got := mustBegin(t, a, ScramSHA1, ScramSHA256).Mechanism(); got != mechanism {
			t.Errorf("%s was configured, %s used", mechanism, got)
		}
	}
}

func TestSaslStartShape(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p"}})
	cmd, done, err := mustBegin(t, a).Next(t.Context(), nil)
	if done || err != nil {
		t.Fatal(done, err)
	}
	want := build("saslStart", 1, "mechanism", ScramSHA256, "payload", bin(payloadOf(cmd)), "autoAuthorize", 1,
		"options", kvs{"skipEmptyExchange", true})
	if !bytes.Equal(cmd, want) {
		t.Errorf("saslStart is\n%x, want\n%x", cmd, want)
	}
	if v, _ := bsonwire.Lookup(cmd, "payload"); v.Data[4] != 0 {
		t.Errorf("payload has subtype %d", v.Data[4])
	}
	if p := string(payloadOf(cmd)); !strings.HasPrefix(p, "n,,n=u,r=") || len(p) < len("n,,n=u,r=")+32 {
		t.Errorf("payload is %q", p)
	}
}

func TestNoncesDiffer(t *testing.T) {
	a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "u", Password: "p"}})
	seen := map[string]bool{}
	for range 100 {
		cmd, _, _ := mustBegin(t, a).Next(t.Context(), nil)
		seen[string(payloadOf(cmd))] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d different first messages of 100", len(seen))
	}
}

// A server that repeats the client's proof does not get it into the error.
func TestProofIsNotRepeated(t *testing.T) {
	const first = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
	a := mustNew(t, Credential{Static: Static{Mechanism: ScramSHA256, Username: "user", Password: "pencil"}})
	a.sha256.nonce = func() string { return "rOprNGfwEbeRWgbNEkqO" }
	var proof string
	_, err := run(t, mustBegin(t, a), nil, func(cmd []byte) []byte {
		if str(cmd, "mechanism") != "" {
			return saslReply(1, false, []byte(first))
		}
		message := string(payloadOf(cmd))
		_, proof, _ = strings.Cut(message, ",p=")
		return errorReply(18, "AuthenticationFailed",
			"I got "+message+" or "+base64.StdEncoding.EncodeToString([]byte(message))+" with "+proof)
	})
	const want = "the server says: I got *** or *** with *** (AuthenticationFailed, code 18)"
	if proof == "" || err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
}
