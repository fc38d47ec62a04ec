package conn

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mgxdb/mgx/bson/bsonwire"
)

// maxMetadata is the limit of the specification "MongoDB Handshake", in bytes.
const maxMetadata = 512

// DriverInfo names a library that wraps mgx.
type DriverInfo struct {
	Name, Version, Platform string
}

// Identity is who connects, as new connections say it in their hello. It may
// grow. It is safe for concurrent use.
type Identity struct {
	appName, version string

	mu       sync.Mutex
	wrappers []DriverInfo
	document []byte
}

// NewIdentity makes the identity of a client of this version.
func NewIdentity(appName, version string, wrappers []DriverInfo) *Identity {
	i := &Identity{appName: appName, version: version}
	for _, w := range wrappers {
		i.Append(w)
	}
	return i
}

// Append adds a library that wraps mgx, unless it was added before.
func (i *Identity) Append(w DriverInfo) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !slices.Contains(i.wrappers, w) {
		i.wrappers, i.document = append(i.wrappers, w), nil
	}
}

// Document returns the client document of a hello.
func (i *Identity) Document() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.document == nil {
		i.document = Metadata(i.appName, i.version, i.wrappers)
	}
	return i.document
}

// Metadata returns the client document of a hello: who connects, for the
// server's log. It drops what the specification allows until the document
// takes no more than 512 bytes.
func Metadata(appName, version string, wrappers []DriverInfo) []byte {
	return metadataIn(environment(), appName, version, wrappers)
}

func metadataIn(m metadata, appName, version string, wrappers []DriverInfo) []byte {
	m.appName, m.name, m.version = appName, "mgx", version
	m.platform = runtime.Version()
	for _, w := range wrappers {
		m.name += "|" + w.Name
		if w.Version != "" {
			m.version += "|" + w.Version
		}
		if w.Platform != "" {
			m.platform += "|" + w.Platform
		}
	}
	shrink := []func(){
		func() { m.env = m.env.nameOnly() },
		func() { m.osName, m.osVersion, m.osArch = "", "", "" },
		func() { m.env = host{} },
	}
	doc := m.document()
	for _, step := range shrink {
		if len(doc) <= maxMetadata {
			return doc
		}
		step()
		doc = m.document()
	}
	for _, s := range []*string{&m.platform, &m.version, &m.name} {
		if over := len(doc) - maxMetadata; over > 0 {
			*s = cut(*s, len(*s)-over)
			doc = m.document()
		}
	}
	return doc
}

// cut keeps at most n bytes of a text, and no half of a character.
func cut(s string, n int) string {
	n = max(n, 0)
	for n > 0 && n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}

type metadata struct {
	appName, name, version            string
	osType, osName, osArch, osVersion string
	platform                          string
	env                               host
}

// host describes a function-as-a-service host and a container.
type host struct {
	name, region            string
	memoryMB, timeoutSec    int32
	hasMemory, hasTimeout   bool
	container, orchestrator string
}

func (h host) nameOnly() host { return host{name: h.name} }

func (m *metadata) document() []byte {
	doc, start := bsonwire.Begin(make([]byte, 0, maxMetadata))
	var at int
	if m.appName != "" {
		doc, at = bsonwire.BeginDocument(doc, "application")
		doc = bsonwire.AppendString(doc, "name", m.appName)
		doc = bsonwire.End(doc, at)
	}
	doc, at = bsonwire.BeginDocument(doc, "driver")
	doc = bsonwire.AppendString(doc, "name", m.name)
	doc = bsonwire.AppendString(doc, "version", m.version)
	doc = bsonwire.End(doc, at)

	doc, at = bsonwire.BeginDocument(doc, "os")
	doc = bsonwire.AppendString(doc, "type", m.osType)
	doc = appendNonEmpty(doc, "name", m.osName)
	doc = appendNonEmpty(doc, "architecture", m.osArch)
	doc = appendNonEmpty(doc, "version", m.osVersion)
	doc = bsonwire.End(doc, at)
	doc = appendNonEmpty(doc, "platform", m.platform)
	return bsonwire.End(m.env.append(doc), start)
}

func (h host) append(doc []byte) []byte {
	if h == (host{}) {
		return doc
	}
	doc, at := bsonwire.BeginDocument(doc, "env")
	doc = appendNonEmpty(doc, "name", h.name)
	if h.hasTimeout {
		doc = bsonwire.AppendInt32(doc, "timeout_sec", h.timeoutSec)
	}
	if h.hasMemory {
		doc = bsonwire.AppendInt32(doc, "memory_mb", h.memoryMB)
	}
	doc = appendNonEmpty(doc, "region", h.region)
	if h.container != "" || h.orchestrator != "" {
		var in int
		doc, in = bsonwire.BeginDocument(doc, "container")
		doc = appendNonEmpty(doc, "runtime", h.container)
		doc = appendNonEmpty(doc, "orchestrator", h.orchestrator)
		doc = bsonwire.End(doc, in)
	}
	return bsonwire.End(doc, at)
}

func appendNonEmpty(doc []byte, key, value string) []byte {
	if value == "" {
		return doc
	}
	return bsonwire.AppendString(doc, key, value)
}

// environment describes the machine. It is read once.
var environment = sync.OnceValue(func() metadata {
	return readEnvironment(os.Getenv, func(path string) ([]byte, error) { return os.ReadFile(path) })
})

var osTypes = map[string]string{
	"linux": "Linux", "darwin": "Darwin", "windows": "Windows",
	"freebsd": "BSD", "openbsd": "BSD", "netbsd": "BSD", "dragonfly": "BSD",
	"solaris": "Unix", "illumos": "Unix", "aix": "Unix",
}

func readEnvironment(getenv func(string) string, readFile func(string) ([]byte, error)) metadata {
	m := metadata{osType: osTypes[runtime.GOOS], osArch: runtime.GOARCH, osName: runtime.GOOS}
	if m.osType == "" {
		m.osType = "unknown"
	}
	if b, err := readFile("/etc/os-release"); err == nil {
		if name, ok := prettyName(string(b)); ok {
			m.osName = name
		}
	}
	m.env = readFaaS(getenv)
	if _, err := readFile("/.dockerenv"); err == nil {
		m.env.container = "docker"
	}
	if getenv("KUBERNETES_SERVICE_HOST") != "" {
		m.env.orchestrator = "kubernetes"
	}
	return m
}

func prettyName(osRelease string) (string, bool) {
	for line := range strings.Lines(osRelease) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"'`), v != ""
		}
	}
	return "", false
}

func readFaaS(getenv func(string) string) (f host) {
	lambda := strings.HasPrefix(getenv("AWS_EXECUTION_ENV"), "AWS_Lambda_") || getenv("AWS_LAMBDA_RUNTIME_API") != ""
	azure := getenv("FUNCTIONS_WORKER_RUNTIME") != ""
	gcp := getenv("K_SERVICE") != "" || getenv("FUNCTION_NAME") != ""
	vercel := getenv("VERCEL") != ""
	if vercel {
		lambda = false // Vercel runs on Lambda and goes before it
	}
	number := func(key string) (int32, bool) {
		n, err := strconv.ParseInt(getenv(key), 10, 32)
		return int32(n), err == nil
	}
	switch [4]bool{lambda, azure, gcp, vercel} {
	case [4]bool{true, false, false, false}:
		f.name, f.region = "aws.lambda", getenv("AWS_REGION")
		f.memoryMB, f.hasMemory = number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")
	case [4]bool{false, true, false, false}:
		f.name = "azure.func"
	case [4]bool{false, false, true, false}:
		f.name, f.region = "gcp.func", getenv("FUNCTION_REGION")
		f.memoryMB, f.hasMemory = number("FUNCTION_MEMORY_MB")
		f.timeoutSec, f.hasTimeout = number("FUNCTION_TIMEOUT_SEC")
	case [4]bool{false, false, false, true}:
		f.name, f.region = "vercel", getenv("VERCEL_REGION")
	}
	return f
}

// IsFaaS reports whether the process runs as a function-as-a-service.
func IsFaaS() bool { return environment().env.name != "" }
