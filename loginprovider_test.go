package mgx

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mgxdb/mgx/internal/scripted"
)

// vault issues logins, and the server behind it knows those that are good.
type vault struct {
	mu    sync.Mutex
	login Login
	err   error
	asked []LoginArgs
	seen  []string // by the server
}

func (v *vault) rotate(username, password string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.login = Login{Username: username, Password: password}
}

func (v *vault) provide(_ context.Context, args LoginArgs) (Login, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked = append(v.asked, args)
	return v.login, v.err
}

// serve accepts a PLAIN login that is in force.
func (v *vault) serve(p *scripted.Peer, r scripted.Request) bool {
	if r.Name != "saslStart" {
		return scripted.Ping(p, r)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	parts := bytes.Split(payload(r), []byte{0})
	v.seen = append(v.seen, string(parts[1]))
	if string(parts[2]) != v.login.Password {
		return p.Answer(r, commandError(18, "Authentication failed.")) == nil
	}
	return p.Answer(r, saslDone(nil)) == nil
}

func (v *vault) client(t *testing.T, change func(*Options)) (*Client, *scripted.Server) {
	s := scripted.Listen(t, scripted.Greet(scripted.Hello(), v.serve))
	o := &Options{
		Hosts: []string{s.Address}, HeartbeatInterval: time.Minute, ServerMonitoringMode: "poll",
		Credential: &Credential{Mechanism: "PLAIN", Username: "app", LoginProvider: v.provide},
	}
	if change != nil {
		change(o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c, s
}

// Each connection asks for its login; those that are open keep theirs.
func TestLoginProvider(t *testing.T) {
	v := &vault{}
	v.rotate("app-1", "one")
	c, s := v.client(t, nil)
	ctx, req := c.StartRequest(t.Context())
	defer req.End()
	if err := c.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	v.rotate("", "two")
	if err := c.Ping(ctx); err != nil { // on the connection that is there
		t.Error(err)
	}
	if err := c.Ping(t.Context()); err != nil { // on another
		t.Error(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	args := LoginArgs{Address: s.Address, Username: "app", Source: "$external"}
	if !slices.Equal(v.asked, []LoginArgs{args, args}) || !slices.Equal(v.seen, []string{"app-1", "app"}) {
		t.Errorf("asked with %+v, the server saw %q", v.asked, v.seen)
	}
}

// With MaxConnectionAge, a rotated login takes the place of the old one by itself.
func TestLoginProviderWithMaxConnectionAge(t *testing.T) {
	v := &vault{}
	v.rotate("first", "one")
	c, _ := v.client(t, func(o *Options) { o.MaxConnectionAge = 30 * time.Millisecond })
	for user, password := range map[string]string{"second": "two", "third": "three"} {
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		v.rotate(user, password)
		time.Sleep(40 * time.Millisecond)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.seen) != 3 {
		t.Errorf("the server saw %q", v.seen)
	}
}

func TestLoginProviderFails(t *testing.T) {
	sealed := errors.New("the vault is sealed")
	v := &vault{err: sealed}
	c, _ := v.client(t, nil)
	is(t, c.Ping(t.Context()), []error{ErrAuthentication, sealed}, "LoginProvider", "PLAIN")
	v.mu.Lock()
	v.err, v.login = nil, Login{Password: "with a \x00"}
	v.mu.Unlock()
	err := c.Ping(t.Context())
	is(t, err, []error{ErrAuthentication}, "NUL byte", `"app"`)
	if strings.Contains(err.Error(), "with a") {
		t.Errorf("the password is in %v", err)
	}
	v.rotate("", "right")
	if err := c.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestLoginProviderRules(t *testing.T) {
	provide := new(vault).provide
	for _, test := range []struct {
		cred Credential
		says string // "": it can be
	}{
		{Credential{LoginProvider: provide}, ""},
		{Credential{LoginProvider: provide, Mechanism: "SCRAM-SHA-256", Username: "ann"}, ""},
		{Credential{LoginProvider: provide, Username: "ann", Password: "p"}, "give no other beside it"},
		{Credential{LoginProvider: provide, Username: "ann", PasswordSet: true}, "give no other beside it"},
		{Credential{LoginProvider: provide, Mechanism: "MONGODB-AWS"}, "AWSProvider"},
		{Credential{LoginProvider: provide, Mechanism: "MONGODB-OIDC", Properties: map[string]string{"ENVIRONMENT": "k8s"}}, "OIDCCallback"},
		{Credential{LoginProvider: provide, Mechanism: "MONGODB-X509"}, "does not have"},
	} {
		c, err := New(&Options{Credential: &test.cred})
		if c != nil {
			_ = c.Close(t.Context())
		}
		if test.says == "" {
			if err != nil {
				t.Errorf("%v: %v", test.cred, err)
			}
			continue
		}
		is(t, err, []error{ErrConfiguration}, test.says)
	}
}

func TestLoginPrintsNoSecret(t *testing.T) {
	login := Login{Username: "ann", Password: "sesame-open"}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if text := fmt.Sprintf(verb, login); strings.Contains(text, "sesame") || !strings.Contains(text, "ann") {
			t.Errorf("%s: %s", verb, text)
		}
	}
	if text := login.LogValue().String(); strings.Contains(text, "sesame") {
		t.Error(text)
	}
}
