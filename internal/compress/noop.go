package compress

const noopID = 0

// noopCompressor leaves everything as it is.
type noopCompressor struct{}

func (noopCompressor) ID() byte     { return noopID }
func (noopCompressor) Name() string { return "noop" }

func (noopCompressor) Compress(dst, src []byte) ([]byte, error) { return append(dst, src...), nil }

func (c noopCompressor) Decompress(dst, src []byte, size int) ([]byte, error) {
	if len(src) != size {
		return dst, corrupt(c, "%d bytes, %d were announced", len(src), size)
	}
	return append(dst, src...), nil
}
