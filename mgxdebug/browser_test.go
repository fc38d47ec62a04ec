package mgxdebug

import (
	"bytes"
	"context"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mgxdb/mgx"
	"github.com/mgxdb/mgx/bson"
)

// browser runs Chromium without a window.
func browser(t *testing.T, args ...string) []byte {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("there is no Chromium here: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	// As root, as tests in containers run, it has no sandbox.
	cmd := exec.CommandContext(ctx, path, append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars", "--user-data-dir=" + t.TempDir(), "--no-proxy-server",
	}, args...)...)
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return out
}

// A browser shows the page: live with JavaScript, and without.
func TestBrowser(t *testing.T) {
	s := show(t, Config{Name: "shop", SlowAfter: 15 * time.Millisecond})
	for range 20 {
		if _, err := mgx.FindOne[bson.D](t.Context(), s.Database("shop").Collection("tea"), nil); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewServer(s.page)
	defer server.Close()
	still := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Content-Security-Policy", "sandbox") // in which nothing runs
		s.page.ServeHTTP(w, r)
	}))
	defer still.Close()
	defer close(s.hold)

	dom := string(browser(t, "--virtual-time-budget=3500", "--dump-dom", server.URL))
	if found := regexp.MustCompile(`data-updates="(\d+)"`).FindStringSubmatch(dom); found == nil {
		t.Errorf("the page is not live: %.300s", dom)
	}
	for _, text := range []string{`id="live" class="on">live<`, "find</td>", "shop.tea", s.primary, `class="p50"`} {
		if !strings.Contains(dom, text) {
			t.Errorf("the page does not show %q", text)
		}
	}
	dom = string(browser(t, "--dump-dom", still.URL))
	for _, text := range []string{`http-equiv="refresh"`, "shop.tea", s.primary, `class="p50"`} {
		if !strings.Contains(dom, text) {
			t.Errorf("without JavaScript the page does not show %q", text)
		}
	}

	// The policy lets the page's own styles through: it is not a page without any, which
	// is white where there is nothing.
	file := filepath.Join(t.TempDir(), "page.png")
	browser(t, "--window-size=1200,900", "--virtual-time-budget=1500", "--screenshot="+file, server.URL)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	picture, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if r, g, b, _ := picture.At(2, 2).RGBA(); r>>8 != 0xf4 || g>>8 != 0xf6 || b>>8 != 0xf5 {
		t.Errorf("the background is %02x%02x%02x", r>>8, g>>8, b>>8)
	}
}
