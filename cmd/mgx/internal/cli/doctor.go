package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/mgxdb/mgx/cmd/mgx/internal/doctor"
)

const doctorHelp = `
Doctor walks the way that a client's connections go and says where and why it stops,
and what to do: the connection string, DNS records, names, TCP, TLS, the server's
hello, the members of the deployment, authentication, latency, clocks, and what the
client's pool would do. It changes nothing on the servers.

It goes the way of a client with the same connection string: what it finds healthy
works, and what it finds broken does not. Passwords are not shown. Quote the
connection string for the shell, or put it into $MGX_URI: & ends a command.

Exit status:
  0    healthy: there is nothing to say
  1    broken: a client would not work; the last step says why
  2    the connection string or the command line is wrong
  3    troubled: a client works, but something should be looked at
  130  it was interrupted

With --json, it prints one document when it is done: "outcome" is healthy, troubled
or broken, "stoppedAt" the step that a broken one stops at; each of the "steps" has
"findings" with a "code" that does not change between versions, a "verdict" (ok,
warning, failed or skipped), the "server" it is about, and "facts".
`

const doctorExample = `  mgx doctor mongodb://localhost:27017/
  mgx doctor 'mongodb+srv://ann@cluster0.example.net/?readPreference=nearest' --timeout 10s
  mgx doctor 'mongodb://db1,db2/?replicaSet=rs0&tls=true' --json | jq -r .outcome`

type doctorFlags struct {
	json    bool
	timeout time.Duration
	pings   int
}

func (a *app) doctor() *cobra.Command {
	var flags doctorFlags
	cmd := &cobra.Command{
		Use:     "doctor [URI]",
		Short:   "Find out why a connection fails, and what to do",
		Long:    help(doctorHelp),
		Example: doctorExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			// Whatever stands there, it is the connection string: what is wrong with it
			// is the question.
			uri, _ := takeURI(nil)
			if len(args) > 0 {
				uri = args[0]
			}
			switch {
			case flags.timeout <= 0:
				return usageError{errors.New("--timeout must be more than 0")}
			case flags.pings < 1:
				return usageError{errors.New("--pings must be at least 1")}
			}
			return a.runDoctor(cmd.Context(), uri, flags)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&flags.json, "json", false, "print one JSON document for programs")
	f.DurationVar(&flags.timeout, "timeout", 30*time.Second, "stop after this `time` in all")
	f.IntVar(&flags.pings, "pings", 20, "measure latency by `n` pings to each server")
	return cmd
}

// resolver answers the doctor's questions to DNS; nil is the system's.
var resolver doctor.Resolver

func (a *app) runDoctor(ctx context.Context, uri string, flags doctorFlags) error {
	limited, cancel := context.WithTimeout(ctx, flags.timeout)
	defer cancel()
	style := a.style(a.Out)
	var broken error // of the output
	report, err := doctor.Examine(limited, doctor.Request{URI: uri, Pings: flags.pings, Resolver: resolver, AppName: appName}, func(s doctor.Step) {
		if !flags.json && broken == nil {
			_, broken = fmt.Fprint(a.Out, s.Text(style))
		}
	})
	if err != nil {
		return err
	}
	if flags.json {
		err = a.printReport(report)
	} else if broken == nil {
		_, broken = fmt.Fprint(a.Out, "\n"+report.Summary(style))
	}
	if err := errors.Join(err, outputError(broken)); err != nil {
		return err
	}
	return diagnosis(report)
}

func (a *app) printReport(report *doctor.Report) error {
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return outputError(enc.Encode(report))
}

// diagnosis is the exit status of an examination, which has told all itself.
func diagnosis(report *doctor.Report) error {
	switch {
	case report.Outcome == doctor.Healthy:
		return nil
	case report.Outcome == doctor.Troubled:
		return told(exitPartly)
	case report.Misused():
		return told(exitUsage)
	}
	return told(exitFailure)
}
