package mgxdebug

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"strings"
	"time"
)

//go:embed page.html
var source string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"duration": short, "ago": ago, "clock": func(t time.Time) string { return t.Format("15:04:05") },
	"latencies": latencies, "throughput": throughput, "spark": spark, "share": share, "percent": percent, "kind": kindClass, "rate": rate,
}).Parse(source))

// ServeHTTP shows the page; with ?format=json, a [Snapshot].
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "the page can only be looked at", http.StatusMethodNotAllowed)
		return
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	s := p.Snapshot()
	if r.URL.Query().Get("format") == "json" {
		h.Set("Content-Type", "application/json; charset=utf-8")
		_ = json.NewEncoder(w).Encode(s) // whoever asked is gone
		return
	}
	nonce := rand.Text()
	name := "page"
	if r.URL.Query().Get("part") == "live" {
		name = "live"
	}
	var b bytes.Buffer
	if err := page.ExecuteTemplate(&b, name, view{Snapshot: s, Nonce: nonce, SlowAfter: p.config.SlowAfter, Text: p.config.CommandMaxLength > 0}); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	// Nothing from elsewhere, and nothing that the page did not come with.
	h.Add("Content-Security-Policy", strings.ReplaceAll(
		"default-src 'none'; style-src 'nonce-N'; script-src 'nonce-N'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'", "N", nonce))
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w)
}

// view is what the template shows.
type view struct {
	*Snapshot
	Nonce     string
	SlowAfter time.Duration
	Text      bool // slow commands have one
}
