package unified

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// judgeError compares an operation's error with what is expected. res is what the
// operation returned beside it.
func (r *run) judgeError(want bson.D, err error, res result) error {
	if err == nil {
		return fmt.Errorf("no error; expected %s, got %s", show(want), show(res.value))
	}
	for _, e := range want {
		if bad := r.judgeOne(e.Key, e.Value, err, res); bad != nil {
			return fmt.Errorf("%s: %w; the error is: %w", e.Key, bad, err)
		}
	}
	return nil
}

func (r *run) judgeOne(key string, want any, err error, res result) error {
	switch key {
	case "isError":
		return nil
	case "isClientError":
		if fromServer := isFromServer(err); fromServer == want.(bool) {
			return fmt.Errorf("from the server: %v", fromServer)
		}
		return nil
	case "isTimeoutError":
		if timeout := isTimeout(err); timeout != want.(bool) {
			return fmt.Errorf("a timeout: %v", timeout)
		}
		return nil
	case "errorContains":
		if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want.(string))) {
			return fmt.Errorf("%q is not in the text", want)
		}
		return nil
	case "errorCode":
		n, _ := integer(want)
		if codes := codesOf(err); !slices.ContainsFunc(codes, func(c code) bool { return int64(c.number) == n }) {
			return fmt.Errorf("%d is not among %v", n, codes)
		}
		return nil
	case "errorCodeName":
		if codes := codesOf(err); !slices.ContainsFunc(codes, func(c code) bool { return strings.EqualFold(c.name, want.(string)) }) {
			return fmt.Errorf("%s is not among %v", want, codes)
		}
		return nil
	case "errorLabelsContain", "errorLabelsOmit":
		for _, label := range want.(bson.A) {
			if has := mgx.HasErrorLabel(err, label.(string)); has != (key == "errorLabelsContain") {
				return fmt.Errorf("the label %s: %v", label, has)
			}
		}
		return nil
	case "writeErrors":
		return r.judgeWriteErrors(want.(bson.D), err)
	case "writeConcernErrors":
		return r.judgeWriteConcernErrors(want.(bson.A), err)
	case "errorResponse":
		return r.judgeResponse(want, err)
	case "expectResult":
		return r.matcher.match("result", want, actual{res.value, res.found}, true)
	}
	return malformedf("an error has no %q", key)
}

// judgeResponse looks for a reply of the server that matches.
func (r *run) judgeResponse(want any, err error) error {
	responses := responsesOf(err)
	if len(responses) == 0 {
		return errors.New("it has no response of the server")
	}
	var bad error
	for _, raw := range responses {
		d, undecodable := toD(raw)
		if undecodable != nil {
			return undecodable
		}
		if bad = r.matcher.match("response", want, there(d), true); bad == nil {
			return nil
		}
	}
	return bad
}

// code is an error code with its name.
type code struct {
	number int32
	name   string
}

// visit calls f for an error and all that it wraps.
func visit(err error, f func(error)) {
	if err == nil {
		return
	}
	f(err)
	switch w := err.(type) {
	case interface{ Unwrap() error }:
		visit(w.Unwrap(), f)
	case interface{ Unwrap() []error }:
		for _, e := range w.Unwrap() {
			visit(e, f)
		}
	}
}

func codesOf(err error) []code {
	var list []code
	visit(err, func(err error) {
		switch e := err.(type) {
		case *mgx.ServerError:
			list = append(list, code{e.Code, e.Name})
		case *mgx.WriteError:
			if e.Err == nil { // otherwise it was not sent
				list = append(list, code{e.Code, e.Name})
			}
		case *mgx.WriteConcernError:
			list = append(list, code{e.Code, e.Name})
		}
	})
	return list
}

func responsesOf(err error) []bson.Raw {
	var list []bson.Raw
	visit(err, func(err error) {
		if e, ok := err.(*mgx.ServerError); ok {
			list = append(list, e.Raw)
		}
	})
	return list
}

func isFromServer(err error) bool { return len(codesOf(err)) > 0 }

func isTimeout(err error) bool {
	return errors.Is(err, mgx.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}
