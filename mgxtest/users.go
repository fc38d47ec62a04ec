package mgxtest

import (
	"crypto/md5" //nolint:gosec // SCRAM-SHA-1 of MongoDB hashes passwords so
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// The mechanisms that users can log in with.
const (
	scramSHA1   = "SCRAM-SHA-1"
	scramSHA256 = "SCRAM-SHA-256"
	oidc        = "MONGODB-OIDC"
)

// mechanisms are those of users that databases keep passwords of.
var mechanisms = []string{scramSHA1, scramSHA256}

// User is somebody who can log in.
type User struct {
	Name, Password string
	// Source is the database that the user belongs to. The default is "admin".
	Source string
	// Mechanisms are those that the user can log in with: "SCRAM-SHA-1",
	// "SCRAM-SHA-256". The default is both. "MONGODB-OIDC" is for itself: the password
	// is the access token then, and the source "$external".
	Mechanisms []string
}

func (u User) source() string {
	switch {
	case u.external():
		return "$external"
	case u.Source == "":
		return "admin"
	}
	return u.Source
}

// external reports whether tokens of somebody else's prove who the user is.
func (u User) external() bool { return slices.Contains(u.Mechanisms, oidc) }

// account is a user as servers store it: without the password.
type account struct {
	id          bson.Binary
	name, db    string
	roles       bson.A
	customData  bson.Raw
	credentials map[string]scram.StoredCredentials
	token       string // for MONGODB-OIDC
}

func (a *account) key() string { return a.db + "." + a.name }

func (a *account) mechanisms() []string {
	var list []string
	for _, m := range mechanisms {
		if _, ok := a.credentials[m]; ok {
			list = append(list, m)
		}
	}
	return list
}

// setPassword replaces the credentials by ones for a password.
func (a *account) setPassword(password string, allowed []string) error {
	if password == "" {
		return failf(codeBadValue, "Password cannot be empty")
	}
	if len(allowed) == 0 {
		allowed = mechanisms
	}
	credentials := map[string]scram.StoredCredentials{}
	for _, m := range allowed {
		client, err := scramClient(m, a.name, password)
		if err != nil {
			return err
		}
		salt := make([]byte, 16)
		_, _ = rand.Read(salt) // it never fails
		// A server's own counts are higher. The least that drivers accept spares tests
		// the time.
		c, err := client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: 4096})
		if err != nil {
			return failf(codeInternalError, "%v", err)
		}
		credentials[m] = c
	}
	a.credentials = credentials
	return nil
}

func scramClient(mechanism, name, password string) (*scram.Client, error) {
	switch mechanism {
	case scramSHA1:
		digest := md5.Sum([]byte(name + ":mongo:" + password)) //nolint:gosec // see above
		return scram.SHA1.NewClientUnprepped(name, hex.EncodeToString(digest[:]), "")
	case scramSHA256:
		c, err := scram.SHA256.NewClient("", password, "")
		if err != nil {
			return nil, failf(codeBadValue, "%v", err)
		}
		return c, nil
	}
	return nil, failf(codeBadValue, "Unknown auth mechanism '%s'", mechanism)
}

// users are a deployment's. All of its servers know them at once.
type users struct {
	mu  sync.Mutex
	all map[string]*account
}

// find returns what is stored about a user, nil if there is none. It is not to be
// changed.
func (u *users) find(db, name string) *account {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.all[db+"."+name]
}

func (u *users) put(a *account) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[string]*account{}
	}
	u.all[a.key()] = a
}

// drop removes those that match and returns how many there were.
func (u *users) drop(matches func(*account) bool) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for key, a := range u.all {
		if matches(a) {
			delete(u.all, key)
			n++
		}
	}
	return n
}

// list returns those that match, in the order of their names.
func (u *users) list(matches func(*account) bool) []*account {
	u.mu.Lock()
	defer u.mu.Unlock()
	var out []*account
	for _, a := range u.all {
		if matches(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *account) int { return strings.Compare(a.key(), b.key()) })
	return out
}

func newAccount(db, name string) *account {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return &account{id: bson.Binary{Subtype: bson.TypeBinaryUUID, Data: id}, db: db, name: name}
}

// admitUsers stores the users of the option.
func (d *Deployment) admitUsers() error {
	for _, u := range d.cfg.users {
		if u.Name == "" {
			return errorf("a user has no name")
		}
		a := newAccount(u.source(), u.Name)
		a.roles = bson.A{doc("role", "root", "db", "admin")}
		switch {
		case u.external() && (len(u.Mechanisms) > 1 || u.Password == ""):
			return errorf("user %s: MONGODB-OIDC wants a token, and no other mechanism beside it", a.key())
		case u.external():
			a.token = u.Password
		default:
			if err := a.setPassword(u.Password, u.Mechanisms); err != nil {
				return errorf("user %s: %w", a.key(), err)
			}
		}
		d.users.put(a)
	}
	return nil
}

func init() {
	register(
		&command{name: "createUser", write: true, secret: true, run: cmdCreateUser, fields: "pwd roles mechanisms customData digestPassword"},
		&command{name: "updateUser", write: true, secret: true, run: cmdUpdateUser, fields: "pwd roles mechanisms customData digestPassword"},
		&command{name: "dropUser", write: true, run: cmdDropUser},
		&command{name: "dropAllUsersFromDatabase", write: true, run: cmdDropAllUsers},
		&command{name: "usersInfo", run: cmdUsersInfo, fields: "showCustomData"},
	)
}

func cmdCreateUser(d *mongod, r *request) (bson.D, error) {
	a := newAccount(r.db, r.text("createUser"))
	switch {
	case a.name == "":
		return nil, failf(codeBadValue, "User document needs 'user' field to be non-empty")
	case d.dep.users.find(a.db, a.name) != nil:
		return nil, failf(51003, "User \"%s@%s\" already exists", a.name, a.db)
	}
	for _, name := range []string{"pwd", "roles"} {
		if _, ok := r.get(name); !ok {
			return nil, failf(codeMissingField, "BSON field 'createUser.%s' is missing but a required field", name)
		}
	}
	return d.storeUser(r, a)
}

func cmdUpdateUser(d *mongod, r *request) (bson.D, error) {
	old := d.dep.users.find(r.db, r.text("updateUser"))
	if old == nil {
		return nil, noSuchUser(r.text("updateUser"), r.db)
	}
	a := *old
	return d.storeUser(r, &a)
}

// storeUser changes a user by a command's arguments and keeps it.
func (d *mongod) storeUser(r *request, a *account) (bson.D, error) {
	if v, ok := r.get("digestPassword"); ok && !asBool(v) {
		return nil, failf(codeBadValue, "passwords that the client has digested are not simulated")
	}
	v, changesMechanisms := r.get("mechanisms")
	allowed := stringList(v)
	_, changesPassword := r.get("pwd")
	switch {
	case changesMechanisms && len(allowed) == 0:
		return nil, failf(codeBadValue, "mechanisms field must not be empty")
	case changesPassword:
		if !changesMechanisms && a.credentials != nil {
			allowed = a.mechanisms()
		}
		if err := a.setPassword(r.text("pwd"), allowed); err != nil {
			return nil, err
		}
	case changesMechanisms:
		kept := map[string]scram.StoredCredentials{}
		for _, m := range allowed {
			c, ok := a.credentials[m]
			if !ok {
				return nil, failf(codeBadValue, "mechanisms field must be a subset of previously set mechanisms")
			}
			kept[m] = c
		}
		a.credentials = kept
	}
	if v, ok := r.get("roles"); ok {
		roles, err := parseRoles(v, r.db)
		if err != nil {
			return nil, err
		}
		a.roles = roles
	}
	if data := r.document("customData"); data != nil {
		a.customData = slices.Clone(data)
	}
	d.dep.users.put(a)
	return doc(), nil
}

// parseRoles reads roles: names, which are of the database of the command, or
// documents.
func parseRoles(v bson.RawValue, db string) (bson.A, error) {
	array, ok := v.ArrayOK()
	if !ok {
		return nil, failf(codeTypeMismatch, "BSON field 'roles' is the wrong type '%s', expected type 'array'", v.Type)
	}
	values, _ := array.Values()
	roles := bson.A{}
	for _, item := range values {
		name, ok := item.StringValueOK()
		of := db
		if d, isDocument := item.DocumentOK(); isDocument {
			name, ok = d.Lookup("role").StringValueOK()
			of, _ = d.Lookup("db").StringValueOK()
		}
		if !ok || of == "" {
			return nil, failf(codeBadValue, "Role names must be either strings or objects with the fields 'role' and 'db'")
		}
		roles = append(roles, doc("role", name, "db", of))
	}
	return roles, nil
}

func noSuchUser(name, db string) error { return failf(11, "User '%s@%s' not found", name, db) }

func cmdDropUser(d *mongod, r *request) (bson.D, error) {
	name := r.text("dropUser")
	if d.dep.users.drop(func(a *account) bool { return a.db == r.db && a.name == name }) == 0 {
		return nil, noSuchUser(name, r.db)
	}
	return doc(), nil
}

func cmdDropAllUsers(d *mongod, r *request) (bson.D, error) {
	return doc("n", int32(d.dep.users.drop(func(a *account) bool { return a.db == r.db }))), nil
}

func cmdUsersInfo(d *mongod, r *request) (bson.D, error) {
	v, _ := r.get("usersInfo")
	matches, err := usersAskedFor(v, r.db)
	if err != nil {
		return nil, err
	}
	list := bson.A{}
	for _, a := range d.dep.users.list(matches) {
		entry := doc("_id", a.key(), "userId", a.id, "user", a.name, "db", a.db, "mechanisms", a.mechanisms(), "roles", a.roles)
		if show, given := r.get("showCustomData"); a.customData != nil && (!given || asBool(show)) {
			entry = append(entry, doc("customData", a.customData)...)
		}
		list = append(list, entry)
	}
	return doc("users", list), nil
}

// usersAskedFor reads usersInfo's first value: 1 for all of the database, a name, a
// document with user and db, a list of those, or {forAllDBs: true}.
func usersAskedFor(v bson.RawValue, db string) (func(*account) bool, error) {
	if n, ok := asInt(v); ok && n == 1 {
		return func(a *account) bool { return a.db == db }, nil
	}
	if name, ok := v.StringValueOK(); ok {
		return func(a *account) bool { return a.db == db && a.name == name }, nil
	}
	if d, ok := v.DocumentOK(); ok {
		if all, err := d.LookupErr("forAllDBs"); err == nil && asBool(all) {
			return func(*account) bool { return true }, nil
		}
		name, okName := d.Lookup("user").StringValueOK()
		of, okDB := d.Lookup("db").StringValueOK()
		if okName && okDB {
			return func(a *account) bool { return a.db == of && a.name == name }, nil
		}
	}
	array, ok := v.ArrayOK()
	if !ok {
		return nil, failf(codeBadValue, "usersInfo wants 1, a name, a document with 'user' and 'db', or a list of those")
	}
	values, _ := array.Values()
	var any []func(*account) bool
	for _, item := range values {
		one, err := usersAskedFor(item, db)
		if err != nil {
			return nil, err
		}
		any = append(any, one)
	}
	return func(a *account) bool {
		return slices.ContainsFunc(any, func(one func(*account) bool) bool { return one(a) })
	}, nil
}
