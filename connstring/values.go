package connstring

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mgxdb/mgx/internal/setup"
)

// errIgnore comes with an empty value, which means absent unless the option is a
// fatal one.
var errIgnore = errors.New("is empty and ignored")

// errComma comes with pairs of which one has a comma in its value.
var errComma = errors.New("must be name:value, or several separated by commas; a value cannot contain a comma")

// fatalError is one where to go on without the value would be careless, whatever
// the option.
type fatalError struct{ error }

// errCompressor comes with a list of which some or all are unknown.
var errCompressor = errors.New("only snappy, zlib and zstd are supported; the others are ignored")

// set parses value and fills the option's field. Its errors complete "NAME: …"
// and do not show the value. A note comes with a value that was understood but
// should be written differently.
func (o *option) set(c *ConnString, value string) (note string, err error) {
	if o.parse != nil {
		err := o.parse(c, value)
		if errors.Is(err, errCompressor) {
			return err.Error(), nil
		}
		return "", err
	}
	if value == "" && o.Type != TypeTagSet {
		return "", errIgnore
	}
	field := o.field(c)
	switch o.Type {
	case TypeBool:
		b, note, err := parseBool(value)
		if err == nil {
			field.Set(reflect.ValueOf(&b))
		}
		return note, err
	case TypeInt:
		n, err := o.number(value)
		if err == nil {
			i := int(n)
			field.Set(reflect.ValueOf(&i))
		}
		return "", err
	case TypeDuration:
		d, err := o.duration(value)
		if err == nil {
			field.Set(reflect.ValueOf(&d))
		}
		return "", err
	case TypeW:
		return "", o.setW(c, value)
	case TypePairs, TypeTagSet:
		pairs, err := parsePairs(value)
		if err != nil {
			return "", err
		}
		if o.Type == TypePairs {
			field.Set(reflect.ValueOf(pairs))
		} else {
			field.Set(reflect.Append(field, reflect.ValueOf(pairs)))
		}
		return "", nil
	}
	if o.Values != nil && !slices.Contains(o.Values, value) {
		return "", fmt.Errorf("must be one of %s", strings.Join(o.Values, ", "))
	}
	field.SetString(value)
	return "", nil
}

// number parses a whole number within the option's bounds.
func (o *option) number(value string) (int64, error) {
	n, err := parseWhole(value, o.unitName())
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, err
	}
	if err != nil || n < o.Min || n > o.Max {
		return 0, o.bounds()
	}
	return n, nil
}

// unitName is what the number counts.
func (o *option) unitName() string {
	switch o.Unit {
	case "ms":
		return "milliseconds"
	case "s":
		return "seconds"
	}
	return ""
}

// parseWhole reads a whole number. What only begins as one (30s, 1_000, 1e3, 1.5)
// was meant as a number, and a limit, most likely.
func parseWhole(value, unit string) (int64, error) {
	n, err := strconv.ParseInt(value, 10, 64)
	if err == nil || errors.Is(err, strconv.ErrRange) {
		return n, err
	}
	what := "a whole number"
	if unit != "" {
		what += " of " + unit
	}
	if digits := strings.TrimLeft(value, " +-"); digits != "" && '0' <= digits[0] && digits[0] <= '9' {
		return 0, fatalError{fmt.Errorf("must be %s and nothing else", what)}
	}
	return 0, fmt.Errorf("must be %s", what)
}

func (o *option) bounds() error {
	if o.Max >= maxInt {
		return fmt.Errorf("must be at least %d", o.Min)
	}
	return fmt.Errorf("must be from %d to %d", o.Min, o.Max)
}

// duration parses a number of the option's unit.
func (o *option) duration(value string) (time.Duration, error) {
	unit := time.Millisecond
	if o.Unit == "s" {
		unit = time.Second
	}
	if !o.decimal {
		n, err := o.number(value)
		return time.Duration(n) * unit, err
	}
	f, err := strconv.ParseFloat(value, 64)
	if err != nil || f != f {
		_, err := parseWhole(value, "")
		var fatal fatalError
		if errors.As(err, &fatal) {
			return 0, fatalError{fmt.Errorf("must be a number of %s and nothing else", o.unitName())}
		}
		return 0, errors.New("must be a number")
	}
	if f < float64(o.Min) || f > float64(o.Max) {
		return 0, o.bounds()
	}
	return time.Duration(f * float64(unit)), nil
}

// parseBool reads true and false, and other spellings with a note: the old ones,
// and what other languages and configurations have for them, in any case.
func parseBool(value string) (b bool, note string, err error) {
	switch value {
	case "true":
		return true, "", nil
	case "false":
		return false, "", nil
	}
	switch lower(value) {
	case "true", "on", "1", "yes", "y", "t":
		return true, "taken for true; write true", nil
	case "false", "off", "0", "-1", "no", "n", "f":
		return false, "taken for false; write false", nil
	}
	return false, "", errors.New("must be true or false")
}

// setW takes every text that is no number for a tag, unless other options have
// got into it.
func (o *option) setW(c *ConnString, value string) error {
	if strings.ContainsAny(value, "?&;=") {
		return errors.New("must be a number of members or the name of a tag; options are separated by &")
	}
	if digits := strings.TrimLeft(value, "+-"); digits == "" || strings.Trim(digits, "0123456789") != "" {
		c.W = &W{Tag: value}
		return nil
	}
	n, err := o.number(value)
	if err != nil {
		return errors.New("must be a number of members, 0 or more, or the name of a tag")
	}
	c.W = &W{Number: int(n)}
	return nil
}

// parsePairs reads name:value,name:value. Only the first colon of each counts.
func parsePairs(value string) (map[string]string, error) {
	pairs := map[string]string{}
	if value == "" {
		return pairs, nil
	}
	for pair := range strings.SplitSeq(value, ",") {
		name, v, ok := strings.Cut(pair, ":")
		if !ok && len(pairs) > 0 {
			return nil, errComma
		}
		if !ok || name == "" {
			return nil, errors.New("must be name:value, or several separated by commas")
		}
		pairs[name] = v
	}
	return pairs, nil
}

func parseAuthSource(c *ConnString, value string) error {
	if value == "" {
		return errors.New("is empty; name the database where the user is defined, or leave the option away")
	}
	c.AuthSource = value
	return nil
}

func parseMechanism(c *ConnString, value string) error {
	if value == "" {
		return errIgnore
	}
	if err := setup.CheckMechanism(value); err != nil {
		return errors.New(err.Message)
	}
	c.AuthMechanism = value
	return nil
}

// parseConnect reads what older drivers have for directConnection.
func parseConnect(c *ConnString, value string) error {
	direct := lower(value) == "direct"
	if !direct && lower(value) != "automatic" {
		return errors.New("must be direct or automatic")
	}
	c.DirectConnection = &direct
	return nil
}

// parseMatchHostname reads the opposite of tlsAllowInvalidHostnames. What cannot be
// read leaves the check on.
func parseMatchHostname(c *ConnString, value string) error {
	match, _, err := parseBool(value)
	if err != nil {
		return err
	}
	allow := !match
	c.TLSAllowInvalidHostnames = &allow
	return nil
}

// parseServiceName is for gssapiServiceName. authMechanismProperties has the
// last word, whichever comes first.
func parseServiceName(c *ConnString, value string) error {
	if value == "" {
		return errIgnore
	}
	if strings.Contains(value, ",") {
		return errors.New("cannot contain a comma")
	}
	if c.AuthMechanismProperties == nil {
		c.AuthMechanismProperties = map[string]string{}
	}
	if _, ok := c.AuthMechanismProperties["SERVICE_NAME"]; !ok {
		c.AuthMechanismProperties["SERVICE_NAME"] = value
	}
	return nil
}

func parseAppName(c *ConnString, value string) error {
	if len(value) > setup.MaxAppName {
		return fmt.Errorf("has %d bytes, more than %d", len(value), setup.MaxAppName)
	}
	c.AppName = value
	return nil
}

// parseCompressors keeps the known ones of a list.
func parseCompressors(c *ConnString, value string) error {
	if value == "" {
		return errIgnore
	}
	var known []string
	var err error
	for name := range strings.SplitSeq(value, ",") {
		switch name = strings.TrimSpace(name); {
		case !slices.Contains(setup.Compressors, name):
			err = errCompressor
		case !slices.Contains(known, name):
			known = append(known, name)
		}
	}
	c.Compressors = known
	return err
}

func parseCertReqs(c *ConnString, value string) error {
	switch value {
	case "none", "optional", "required":
		c.SSLCertReqs = value
	case "CERT_NONE", "CERT_OPTIONAL", "CERT_REQUIRED":
		c.SSLCertReqs = lower(strings.TrimPrefix(value, "CERT_"))
	default:
		return errors.New("must be none, optional or required")
	}
	return nil
}

// parseServiceLabel holds a name to RFC 6335, but for its length, which only DNS
// limits.
func parseServiceLabel(c *ConnString, value string) error {
	letters := strings.Trim(lower(value), "0123456789-") != ""
	valid := letters && len(value) <= 62 && value[0] != '-' && value[len(value)-1] != '-' &&
		!strings.Contains(value, "--") && strings.Trim(lower(value), "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
	if !valid {
		return errors.New("must be a service name: letters, digits and single hyphens inside, at most 62")
	}
	c.SRVServiceName = value
	return nil
}

// parseReadPreference also reads the classic constants, as SECONDARY_PREFERRED.
func parseReadPreference(c *ConnString, value string) error {
	if value == "" {
		return errIgnore
	}
	modes := setup.ReadModes
	i := slices.IndexFunc(modes, func(mode string) bool {
		return value == mode || value == strings.ToUpper(strings.Replace(mode, "Preferred", "_Preferred", 1))
	})
	if i < 0 {
		return fmt.Errorf("must be one of %s", strings.Join(modes, ", "))
	}
	c.ReadPreference = modes[i]
	return nil
}

func parseMaxStaleness(c *ConnString, value string) error {
	if value == "" {
		return errIgnore
	}
	n, err := parseWhole(value, "seconds")
	var fatal fatalError
	if errors.As(err, &fatal) {
		return err
	}
	const least = int64(setup.MinMaxStaleness / time.Second)
	if err != nil || n != -1 && (n < least || n > maxInt) {
		return fmt.Errorf("must be -1 or a whole number of seconds, at least %d", least)
	}
	seconds := int(n)
	c.MaxStalenessSeconds = &seconds
	return nil
}
