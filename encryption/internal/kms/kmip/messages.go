package kmip

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The operations.
const (
	opCreate   = 0x01
	opRegister = 0x03
	opGet      = 0x0A
	opActivate = 0x12
	opEncrypt  = 0x1F
	opDecrypt  = 0x20
)

// Values of enumerations.
const (
	objectSymmetricKey = 2
	objectSecretData   = 7
	secretSeed         = 2
	formatOpaque       = 2
	algorithmAES       = 3
	modeCBC            = 1
	paddingPKCS5       = 3
	usageEncrypt       = 4
	usageDecrypt       = 8
	statusSuccess      = 0
)

// IVSize is the size of what Encrypt's answer says of how to decrypt.
const IVSize = 16

// request is a message with one operation. Encryption by the server came with version 1.2.
func request(minor uint32, op uint32, payload ...item) []byte {
	return write(structure(requestMessage,
		structure(requestHeader,
			structure(protocolVersion, integer(protocolVersionMajor, 1), integer(protocolVersionMinor, minor)),
			integer(batchCount, 1)),
		structure(batchItem, enumeration(operation, op), structure(requestPayload, payload...))))
}

// Register asks to keep a secret of 96 bytes.
func Register(secret []byte) []byte {
	return request(0, opRegister, enumeration(objectType, objectSecretData),
		structure(templateAttribute, attr("Cryptographic Usage Mask", integer(attributeValue, 0))),
		structure(secretData, enumeration(secretDataType, secretSeed),
			structure(keyBlock, enumeration(keyFormatType, formatOpaque), structure(keyValue, octets(keyMaterial, secret)))))
}

// Activate asks to let an object be used.
func Activate(id string) []byte { return request(0, opActivate, text(uniqueIdentifier, id)) }

// Get asks for a secret.
func Get(id string) []byte { return request(0, opGet, text(uniqueIdentifier, id)) }

// Create asks for a new AES key that stays with the server.
func Create() []byte {
	return request(2, opCreate, enumeration(objectType, objectSymmetricKey), structure(templateAttribute,
		attr("Cryptographic Algorithm", enumeration(attributeValue, algorithmAES)),
		attr("Cryptographic Length", integer(attributeValue, 256)),
		attr("Cryptographic Usage Mask", integer(attributeValue, usageEncrypt|usageDecrypt))))
}

func parameters(more ...item) item {
	return structure(cryptographicParams, append([]item{
		enumeration(blockCipherMode, modeCBC), enumeration(paddingMethod, paddingPKCS5), enumeration(cryptographicAlgorithm, algorithmAES),
	}, more...)...)
}

// Encrypt asks the server to encrypt by one of its keys.
func Encrypt(id string, plaintext []byte) []byte {
	return request(2, opEncrypt, text(uniqueIdentifier, id), parameters(yes(randomIV)), octets(data, plaintext))
}

// Decrypt asks the server to decrypt by one of its keys.
func Decrypt(id string, ciphertext, iv []byte) []byte {
	return request(2, opDecrypt, text(uniqueIdentifier, id), parameters(), octets(data, ciphertext), octets(ivCounterNonce, iv))
}

// A Failure is an operation that the server did not do.
type Failure struct {
	Reason  uint32
	Message string
}

func (f *Failure) Error() string {
	return fmt.Sprintf("the KMIP server refused, for reason %d: %s", f.Reason, f.Message)
}

// payload is that of a response, if the operation was done.
func payload(message []byte) (*node, error) {
	n, _, err := parse(message, 0)
	if err != nil {
		return nil, err
	}
	item, ok := n.find(batchItem)
	if n.tag != responseMessage || !ok {
		return nil, fmt.Errorf("a KMIP server answered with something else than a response")
	}
	status, ok := item.number(resultStatus)
	if !ok {
		return nil, fmt.Errorf("a KMIP response has no status")
	}
	if status != statusSuccess {
		reason, _ := item.number(resultReason)
		text, _ := item.bytes(typeText, resultMessage)
		return nil, &Failure{Reason: reason, Message: string(text)}
	}
	p, ok := item.find(responsePayload)
	if !ok {
		return nil, fmt.Errorf("a KMIP response has no payload")
	}
	return p, nil
}

// Identifier reads the object's identifier from the answer to Register, Activate or Create.
func Identifier(message []byte) (string, error) {
	p, err := payload(message)
	if err != nil {
		return "", err
	}
	id, ok := p.bytes(typeText, uniqueIdentifier)
	if !ok {
		return "", fmt.Errorf("a KMIP response names no object")
	}
	return string(id), nil
}

// Secret reads the answer to Get.
func Secret(message []byte) ([]byte, error) {
	p, err := payload(message)
	if err != nil {
		return nil, err
	}
	if kind, ok := p.number(objectType); !ok || kind != objectSecretData {
		return nil, fmt.Errorf("the KMIP object is of type %d, not secret data (%d)", kind, objectSecretData)
	}
	secret, ok := p.bytes(typeBytes, secretData, keyBlock, keyValue, keyMaterial)
	if !ok {
		return nil, fmt.Errorf("a KMIP response has no key material")
	}
	return secret, nil
}

// Encrypted reads the answer to Encrypt.
func Encrypted(message []byte) (ciphertext, iv []byte, err error) {
	p, err := payload(message)
	if err != nil {
		return nil, nil, err
	}
	ciphertext, ok1 := p.bytes(typeBytes, data)
	iv, ok2 := p.bytes(typeBytes, ivCounterNonce)
	if !ok1 || !ok2 || len(iv) != IVSize {
		return nil, nil, fmt.Errorf("a KMIP response has no encrypted data, or no IV of %d bytes", IVSize)
	}
	return ciphertext, iv, nil
}

// Decrypted reads the answer to Decrypt.
func Decrypted(message []byte) ([]byte, error) {
	p, err := payload(message)
	if err != nil {
		return nil, err
	}
	plaintext, ok := p.bytes(typeBytes, data)
	if !ok {
		return nil, fmt.Errorf("a KMIP response has no decrypted data")
	}
	return plaintext, nil
}

// maxMessage bounds what a server may answer.
const maxMessage = 1 << 20

// Read reads one message.
func Read(r io.Reader) ([]byte, error) {
	head := make([]byte, headerSize)
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[4:])
	if n > maxMessage {
		return nil, fmt.Errorf("a KMIP message of %d bytes is too large", n)
	}
	message := append(head, make([]byte, n)...)
	if _, err := io.ReadFull(r, message[headerSize:]); err != nil {
		return nil, err
	}
	return message, nil
}
