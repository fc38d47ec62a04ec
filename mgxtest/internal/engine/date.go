package engine

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // names of time zones, wherever the tests run

	"github.com/256dpi/lungo/bsonkit"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

func init() {
	for name, part := range map[string]func(time.Time) any{
		"$year":         func(t time.Time) any { return int32(t.Year()) },
		"$month":        func(t time.Time) any { return int32(t.Month()) },
		"$dayOfMonth":   func(t time.Time) any { return int32(t.Day()) },
		"$hour":         func(t time.Time) any { return int32(t.Hour()) },
		"$minute":       func(t time.Time) any { return int32(t.Minute()) },
		"$second":       func(t time.Time) any { return int32(t.Second()) },
		"$millisecond":  func(t time.Time) any { return int32(t.Nanosecond() / 1e6) },
		"$dayOfYear":    func(t time.Time) any { return int32(t.YearDay()) },
		"$dayOfWeek":    func(t time.Time) any { return int32(t.Weekday()) + 1 },
		"$week":         func(t time.Time) any { return int32(sundayWeek(t)) },
		"$isoWeek":      func(t time.Time) any { _, w := t.ISOWeek(); return int32(w) },
		"$isoWeekYear":  func(t time.Time) any { y, _ := t.ISOWeek(); return int64(y) },
		"$isoDayOfWeek": func(t time.Time) any { return int32(isoDay(t)) },
	} {
		functions[name] = &function{1, 1, datePart(part)}
	}
	for name, fn := range map[string]func(named) (any, error){
		"$dateToString": dateToString, "$dateFromString": dateFromString, "$dateToParts": dateToParts, "$dateFromParts": dateFromParts,
		"$dateAdd": dateAdd(1), "$dateSubtract": dateAdd(-1), "$dateDiff": dateDiff, "$dateTrunc": dateTrunc,
	} {
		functions[name] = namedFunction(name, fn)
	}
}

// named are the arguments of a function that has names for them.
type named struct {
	op   string
	args bson.D
}

func namedFunction(op string, fn func(named) (any, error)) *function {
	return &function{1, 1, func(a []any) (any, error) {
		d, ok := a[0].(bson.D)
		if !ok {
			return nil, Errorf(40540, "%s only supports an object as its argument, found %s", op, typeName(a[0]))
		}
		return fn(named{op, d})
	}}
}

func (n named) get(name string) any { return fieldOr(n.args, name) }

func (n named) has(name string) bool { return n.get(name) != bsonkit.Missing }

func (n named) text(name string) (string, bool) { s, ok := n.get(name).(string); return s, ok }

func sundayWeek(t time.Time) int { return (t.YearDay() + 6 - int(t.Weekday())) / 7 }

func isoDay(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }

// moment reads a date, or what has one in it.
func moment(v any) (time.Time, bool) {
	switch t := v.(type) {
	case primitive.DateTime:
		return t.Time().UTC(), true
	case primitive.Timestamp:
		return time.Unix(int64(t.T), 0).UTC(), true
	case primitive.ObjectID:
		return t.Timestamp().UTC(), true
	}
	return time.Time{}, false
}

func datePart(part func(time.Time) any) func([]any) (any, error) {
	return func(a []any) (any, error) {
		v, zone := a[0], any(bsonkit.Missing)
		if d, ok := v.(bson.D); ok {
			v, zone = fieldOr(d, "date"), fieldOr(d, "timezone")
			if zone == nil {
				return nil, nil
			}
		}
		if isNull(v) {
			return nil, nil
		}
		t, ok := moment(v)
		if !ok {
			return nil, Errorf(16006, "can't convert from BSON type %s to Date", typeName(v))
		}
		loc, err := location(zone)
		if err != nil {
			return nil, err
		}
		return part(t.In(loc)), nil
	}
}

// location reads a time zone: a name of the Olson database or an offset.
func location(v any) (*time.Location, error) {
	if v == bsonkit.Missing {
		return time.UTC, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, Errorf(40517, "timezone must evaluate to a string, found %s", typeName(v))
	}
	if s != "" && (s[0] == '+' || s[0] == '-') {
		digits := strings.ReplaceAll(s[1:], ":", "")
		if len(digits) == 2 {
			digits += "00"
		}
		n, err := strconv.Atoi(digits)
		if err == nil && len(digits) == 4 {
			secs := (n/100*60 + n%100) * 60
			if s[0] == '-' {
				secs = -secs
			}
			return time.FixedZone(s, secs), nil
		}
	} else if loc, err := time.LoadLocation(s); err == nil && s != "" && s != "Local" {
		return loc, nil
	}
	return nil, Errorf(40485, "unrecognized time zone identifier: \"%s\"", s)
}

// when reads a date argument and its time zone. ok is false where one is null.
func (n named) when(name string) (t time.Time, ok bool, err error) {
	v, zone := n.get(name), n.get("timezone")
	if isNull(v) || zone == nil {
		return t, false, nil
	}
	t, ok = moment(v)
	if !ok {
		return t, false, Errorf(16006, "can't convert from BSON type %s to Date", typeName(v))
	}
	loc, err := location(zone)
	if err != nil {
		return t, false, err
	}
	return t.In(loc), true, nil
}

func dateOf(t time.Time) primitive.DateTime { return primitive.NewDateTimeFromTime(t) }

func dateToString(n named) (any, error) {
	t, ok, err := n.when("date")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nullIfMissing(n.get("onNull")), nil
	}
	format, given := n.text("format")
	if !given {
		format = "%Y-%m-%dT%H:%M:%S.%LZ"
		if n.has("timezone") {
			format = "%Y-%m-%dT%H:%M:%S.%L"
		}
	}
	return formatDate(t, format)
}

func formatDate(t time.Time, format string) (any, error) {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b.WriteByte(format[i])
			continue
		}
		i++
		if i == len(format) {
			return nil, Errorf(18535, "Unmatched '%%' at end of format string")
		}
		isoYear, isoWeek := t.ISOWeek()
		_, offset := t.Zone()
		sign, minutes := '+', offset/60
		if minutes < 0 {
			sign, minutes = '-', -minutes
		}
		switch format[i] {
		case 'd':
			fmt.Fprintf(&b, "%02d", t.Day())
		case 'G':
			fmt.Fprintf(&b, "%04d", isoYear)
		case 'H':
			fmt.Fprintf(&b, "%02d", t.Hour())
		case 'j':
			fmt.Fprintf(&b, "%03d", t.YearDay())
		case 'L':
			fmt.Fprintf(&b, "%03d", t.Nanosecond()/1e6)
		case 'm':
			fmt.Fprintf(&b, "%02d", t.Month())
		case 'M':
			fmt.Fprintf(&b, "%02d", t.Minute())
		case 'S':
			fmt.Fprintf(&b, "%02d", t.Second())
		case 'u':
			fmt.Fprintf(&b, "%d", isoDay(t))
		case 'w':
			fmt.Fprintf(&b, "%d", int(t.Weekday())+1)
		case 'U':
			fmt.Fprintf(&b, "%02d", sundayWeek(t))
		case 'V':
			fmt.Fprintf(&b, "%02d", isoWeek)
		case 'Y':
			fmt.Fprintf(&b, "%04d", t.Year())
		case 'b':
			b.WriteString(t.Month().String()[:3])
		case 'B':
			b.WriteString(t.Month().String())
		case 'z':
			fmt.Fprintf(&b, "%c%02d%02d", sign, minutes/60, minutes%60)
		case 'Z':
			fmt.Fprintf(&b, "%c%d", sign, minutes)
		case '%':
			b.WriteByte('%')
		default:
			return nil, Errorf(18536, "Invalid format character '%%%c' in format string", format[i])
		}
	}
	return b.String(), nil
}

// dateLayouts are the forms of dates that are read without a format.
var dateLayouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02", "2006-01", "2006/01/02", "01/02/2006", "Jan 2, 2006", "January 2, 2006",
	"2006-01-02T15:04:05.999999999 MST", "2 January 2006",
}

func parseDate(s string, loc *time.Location) (time.Time, error) {
	for _, layout := range dateLayouts {
		if t, err := time.ParseInLocation(layout, s, loc); err == nil {
			return t, nil
		}
	}
	return time.Time{}, Errorf(241, "Error parsing date string '%s'", s)
}

func dateFromString(n named) (any, error) {
	v := n.get("dateString")
	if isNull(v) {
		return nullIfMissing(n.get("onNull")), nil
	}
	loc, err := location(n.get("timezone"))
	if err != nil {
		return nil, err
	}
	s, ok := v.(string)
	var t time.Time
	switch format, given := n.text("format"); {
	case !ok:
		err = Errorf(241, "$dateFromString requires that 'dateString' be a string, found: %s", typeName(v))
	case given:
		t, err = time.ParseInLocation(layoutOf(format), s, loc)
		if err != nil {
			err = Errorf(241, "Error parsing date string '%s'", s)
		}
	default:
		t, err = parseDate(s, loc)
	}
	if err != nil {
		if n.has("onError") {
			return n.get("onError"), nil
		}
		return nil, err
	}
	return dateOf(t), nil
}

var formatLayouts = strings.NewReplacer("%Y", "2006", "%G", "2006", "%m", "01", "%d", "02", "%H", "15", "%M", "04", "%S", "05", "%L", "000",
	"%z", "-0700", "%j", "002", "%b", "Jan", "%B", "January", "%%", "%")

func layoutOf(format string) string { return formatLayouts.Replace(format) }

func dateToParts(n named) (any, error) {
	t, ok, err := n.when("date")
	if err != nil || !ok {
		return nil, err
	}
	clock := bson.D{{Key: "hour", Value: int32(t.Hour())}, {Key: "minute", Value: int32(t.Minute())},
		{Key: "second", Value: int32(t.Second())}, {Key: "millisecond", Value: int32(t.Nanosecond() / 1e6)}}
	if truthy(n.get("iso8601")) {
		y, w := t.ISOWeek()
		return append(bson.D{{Key: "isoWeekYear", Value: int32(y)}, {Key: "isoWeek", Value: int32(w)}, {Key: "isoDayOfWeek", Value: int32(isoDay(t))}}, clock...), nil
	}
	return append(bson.D{{Key: "year", Value: int32(t.Year())}, {Key: "month", Value: int32(t.Month())}, {Key: "day", Value: int32(t.Day())}}, clock...), nil
}

func dateFromParts(n named) (any, error) {
	loc, err := location(n.get("timezone"))
	if err != nil {
		return nil, err
	}
	parts := map[string]int{}
	for name, def := range map[string]int{"year": 0, "month": 1, "day": 1, "hour": 0, "minute": 0, "second": 0, "millisecond": 0, "isoWeekYear": 0, "isoWeek": 1, "isoDayOfWeek": 1} {
		parts[name] = def
		if v := n.get(name); v == nil {
			return nil, nil
		} else if v != bsonkit.Missing {
			i, ok := integer(v)
			if !ok {
				return nil, Errorf(40515, "'%s' must evaluate to an integer, found %s", name, typeName(v))
			}
			parts[name] = int(i)
		}
	}
	year, month, day := parts["year"], time.Month(parts["month"]), parts["day"]
	switch {
	case n.has("isoWeekYear"):
		first := time.Date(parts["isoWeekYear"], 1, 4, 0, 0, 0, 0, loc)
		year, month = first.Year(), first.Month()
		day = first.Day() - isoDay(first) + 1 + 7*(parts["isoWeek"]-1) + parts["isoDayOfWeek"] - 1
	case !n.has("year"):
		return nil, Errorf(40516, "$dateFromParts requires either 'year' or 'isoWeekYear' to be present")
	}
	return dateOf(time.Date(year, month, day, parts["hour"], parts["minute"], parts["second"], parts["millisecond"]*1e6, loc)), nil
}

// fixedUnits are the units of time that are always of one length.
var fixedUnits = map[string]time.Duration{
	"week": 7 * 24 * time.Hour, "day": 24 * time.Hour, "hour": time.Hour, "minute": time.Minute, "second": time.Second, "millisecond": time.Millisecond,
}

var monthUnits = map[string]int{"year": 12, "quarter": 3, "month": 1}

func addUnits(t time.Time, unit string, amount int) (time.Time, error) {
	if months := monthUnits[unit]; months > 0 {
		day := t.Day()
		first := time.Date(t.Year(), t.Month()+time.Month(months*amount), 1, t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), t.Location())
		last := time.Date(first.Year(), first.Month()+1, 0, 0, 0, 0, 0, t.Location()).Day()
		return first.AddDate(0, 0, min(day, last)-1), nil
	}
	switch unit {
	case "week":
		return t.AddDate(0, 0, 7*amount), nil
	case "day":
		return t.AddDate(0, 0, amount), nil
	}
	d, ok := fixedUnits[unit]
	if !ok {
		return t, Errorf(CodeFailedToParse, "unknown time unit value: %s", unit)
	}
	return t.Add(time.Duration(amount) * d), nil
}

func dateAdd(sign int) func(named) (any, error) {
	return func(n named) (any, error) {
		t, ok, err := n.when("startDate")
		amount, unit := n.get("amount"), n.get("unit")
		if err != nil || !ok || isNull(amount) || isNull(unit) {
			return nil, err
		}
		count, ok := integer(amount)
		if !ok {
			return nil, Errorf(5166405, "%s expects integer amount of time units", n.op)
		}
		name, _ := unit.(string)
		if t, err = addUnits(t, name, sign*int(count)); err != nil {
			return nil, err
		}
		return dateOf(t), nil
	}
}

func weekStart(n named) (time.Weekday, error) {
	s, given := n.text("startOfWeek")
	if !given {
		return time.Sunday, nil
	}
	for d := time.Sunday; d <= time.Saturday; d++ {
		if full := strings.ToLower(d.String()); strings.ToLower(s) == full || len(s) == 3 && strings.HasPrefix(full, strings.ToLower(s)) {
			return d, nil
		}
	}
	return 0, Errorf(5439015, "%s parameter 'startOfWeek' value cannot be recognized as a day of a week: %s", n.op, s)
}

// civil is the number of the day that a date is on where it is.
func civil(t time.Time) int {
	return int(time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC).Unix() / 86400)
}

func dateDiff(n named) (any, error) {
	from, ok1, err := n.when("startDate")
	if err != nil {
		return nil, err
	}
	to, ok2, err := n.when("endDate")
	unit, ok3 := n.text("unit")
	if err != nil || !ok1 || !ok2 || !ok3 {
		return nil, err
	}
	start, err := weekStart(n)
	if err != nil {
		return nil, err
	}
	weekOf := func(t time.Time) int {
		return (civil(t) - (int(t.Weekday())-int(start)+7)%7)
	}
	switch unit {
	case "year":
		return int64(to.Year() - from.Year()), nil
	case "quarter":
		return int64((to.Year()*4 + int(to.Month()-1)/3) - (from.Year()*4 + int(from.Month()-1)/3)), nil
	case "month":
		return int64((to.Year()*12 + int(to.Month())) - (from.Year()*12 + int(from.Month()))), nil
	case "week":
		return int64((weekOf(to) - weekOf(from)) / 7), nil
	case "day":
		return int64(civil(to) - civil(from)), nil
	}
	d, ok := fixedUnits[unit]
	if !ok {
		return nil, Errorf(CodeFailedToParse, "unknown time unit value: %s", unit)
	}
	return to.Truncate(d).Sub(from.Truncate(d)).Nanoseconds() / int64(d), nil
}

func dateTrunc(n named) (any, error) {
	t, ok, err := n.when("date")
	unit, ok2 := n.text("unit")
	if err != nil || !ok || !ok2 {
		return nil, err
	}
	bin := int64(1)
	if n.has("binSize") {
		if bin, ok = integer(n.get("binSize")); !ok || bin <= 0 {
			return nil, Errorf(5439018, "$dateTrunc requires 'binSize' to be greater than 0")
		}
	}
	start, err := weekStart(n)
	if err != nil {
		return nil, err
	}
	// Bins are counted from the first of January 2000.
	origin := time.Date(2000, 1, 1, 0, 0, 0, 0, t.Location())
	if months := monthUnits[unit]; months > 0 {
		size := int(bin) * months
		since := (t.Year()-2000)*12 + int(t.Month()) - 1
		return dateOf(origin.AddDate(0, floorDiv(since, size)*size, 0)), nil
	}
	switch unit {
	case "week":
		first := origin.AddDate(0, 0, (int(start)-int(origin.Weekday())+7)%7)
		size := int(bin) * 7
		return dateOf(first.AddDate(0, 0, floorDiv(civil(t)-civil(first), size)*size)), nil
	case "day":
		return dateOf(origin.AddDate(0, 0, floorDiv(civil(t)-civil(origin), int(bin))*int(bin))), nil
	}
	d, known := fixedUnits[unit]
	if !known {
		return nil, Errorf(CodeFailedToParse, "unknown time unit value: %s", unit)
	}
	size := int(d.Milliseconds() * bin)
	return dateOf(origin.Add(time.Duration(floorDiv(int(t.Sub(origin).Milliseconds()), size)*size) * time.Millisecond)), nil
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && a < 0 {
		q--
	}
	return q
}
