package cli

import (
	"strings"
	"testing"

	"github.com/mgxdb/mgx/embedded/ferretdbcmd"
)

func TestUsers(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{Username: "ann", Password: "pencil"})
	uri := p.UserURI("ann", "pencil", "admin")
	tool(t, "", "ping", uri).want(t, exitOK, "ping 3", "")
	tool(t, `{"_id":1}`, "insert", uri, "shop.orders").want(t, exitOK, "1 document", "")
	tool(t, "", "find", uri, "shop.orders").want(t, exitOK, `{"_id":1}`, "")

	o := tool(t, "", "find", p.UserURI("ann", "crayon", "admin"), "shop.orders")
	o.want(t, exitFailure, "", "uthentication")
	if strings.Contains(o.err, "crayon") {
		t.Errorf("the password is shown:\n%s", o.err)
	}
	tool(t, "", "find", p.URI(), "shop.orders").want(t, exitFailure, "", "find")
	// Whoever may not list the databases still learns what the server is.
	tool(t, "", "info", p.URI()).want(t, exitOK, "databases are not known", "")
}

func TestInfoOfAReplicaSet(t *testing.T) {
	p := ferretdbcmd.ForTest(t, ferretdbcmd.Options{ReplicaSet: "rs0"})
	o := tool(t, "", "info", p.URI())
	o.want(t, exitOK, "primary of the replica set rs0", "")
	o.want(t, exitOK, p.Addr(), "")
}
