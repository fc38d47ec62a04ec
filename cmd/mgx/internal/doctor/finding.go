package doctor

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what a finding comes to.
type Verdict int

// The verdicts, the better ones first.
const (
	Skipped Verdict = iota // there was nothing to examine
	OK
	Warning // it works, and somebody should look at it
	Failed
)

// String returns the verdict as reports have it.
func (v Verdict) String() string {
	return [...]string{Skipped: "skipped", OK: "ok", Warning: "warning", Failed: "failed"}[v]
}

// MarshalText makes JSON have it so, too.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (v *Verdict) UnmarshalText(text []byte) error {
	for _, is := range []Verdict{Skipped, OK, Warning, Failed} {
		if is.String() == string(text) {
			*v = is
			return nil
		}
	}
	return fmt.Errorf("%q is no verdict", text)
}

// Finding is one thing that a step found. None of its texts holds a secret.
type Finding struct {
	// Code names the kind of finding for programs, like "tcp.refused". It does not
	// change from version to version, as the texts may.
	Code    string  `json:"code"`
	Verdict Verdict `json:"verdict"`
	// Server is the address that the finding is about; "" is the whole deployment.
	Server  string `json:"server,omitempty"`
	Message string `json:"message"`
	// Details are further lines of what was found, Advice is what to do.
	Details []string `json:"details,omitempty"`
	Advice  []string `json:"advice,omitempty"`
	// Facts are the figures and names of the texts.
	Facts map[string]any `json:"facts,omitempty"`
}

func find(v Verdict, code, format string, args ...any) *Finding {
	return &Finding{Code: code, Verdict: v, Message: fmt.Sprintf(format, args...)}
}

func (f *Finding) on(s *server) *Finding {
	f.Server = s.address
	return f
}

func (f *Finding) detail(format string, args ...any) *Finding {
	f.Details = append(f.Details, fmt.Sprintf(format, args...))
	return f
}

func (f *Finding) advise(format string, args ...any) *Finding {
	f.Advice = append(f.Advice, fmt.Sprintf(format, args...))
	return f
}

// warn makes a finding that was good one to look at.
func (f *Finding) warn(code, format string, args ...any) *Finding {
	f.Code, f.Verdict = code, max(f.Verdict, Warning)
	return f.advise(format, args...)
}

func (f *Finding) fact(name string, value any) *Finding {
	if f.Facts == nil {
		f.Facts = map[string]any{}
	}
	if d, ok := value.(time.Duration); ok {
		name, value = name+"Seconds", d.Seconds()
	}
	f.Facts[name] = value
	return f
}

// Step is one step of the way, with what it found.
type Step struct {
	Name     string     `json:"name"`
	Verdict  Verdict    `json:"verdict"` // the worst of the findings
	Took     Seconds    `json:"tookSeconds"`
	Findings []*Finding `json:"findings"`
}

// Seconds is a duration that JSON has in seconds.
type Seconds time.Duration

// MarshalJSON writes seconds with their fraction.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// Outcome is what an examination comes to.
type Outcome string

// The outcomes.
const (
	// Healthy found nothing to say.
	Healthy Outcome = "healthy"
	// Troubled works, but something should be looked at: a member that cannot be
	// reached, a certificate that expires soon.
	Troubled Outcome = "troubled"
	// Broken would not work: the way stops somewhere.
	Broken Outcome = "broken"
)

// Report is an examination.
type Report struct {
	URI     string  `json:"uri"` // redacted
	Outcome Outcome `json:"outcome"`
	// StoppedAt is the step at which the way stops, "" if it does not.
	StoppedAt string  `json:"stoppedAt,omitempty"`
	Took      Seconds `json:"tookSeconds"`
	Steps     []Step  `json:"steps"`
}

// Misused reports whether the way stops at the connection string itself or at a file
// that it names, not at the deployment.
func (r *Report) Misused() bool {
	return r.Outcome == Broken && slices.ContainsFunc(r.Steps[len(r.Steps)-1].Findings, func(f *Finding) bool {
		return f.Verdict == Failed && strings.HasPrefix(f.Code, "uri.")
	})
}

// Find returns the findings with the code.
func (r *Report) Find(code string) (found []*Finding) {
	for _, s := range r.Steps {
		for _, f := range s.Findings {
			if f.Code == code {
				found = append(found, f)
			}
		}
	}
	return found
}
