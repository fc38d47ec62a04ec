package bsonbench

import (
	"fmt"
	"reflect"
	"strings"
	"unicode"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Tweet matches the tweet of the benchmark data, as somebody who stores tweets
// would write it.
type Tweet struct {
	Text              string        `bson:"text"`
	InReplyToStatusID int64         `bson:"in_reply_to_status_id"`
	RetweetCount      *int          `bson:"retweet_count"`
	Contributors      []int64       `bson:"contributors"`
	CreatedAt         string        `bson:"created_at"`
	Geo               *TweetPlace   `bson:"geo"`
	Source            string        `bson:"source"`
	Coordinates       *TweetPlace   `bson:"coordinates"`
	InReplyToName     string        `bson:"in_reply_to_screen_name"`
	Truncated         bool          `bson:"truncated"`
	Entities          TweetEntities `bson:"entities"`
	Retweeted         bool          `bson:"retweeted"`
	Place             *TweetPlace   `bson:"place"`
	User              TweetUser     `bson:"user"`
	Favorited         bool          `bson:"favorited"`
	InReplyToUserID   int32         `bson:"in_reply_to_user_id"`
	ID                int64         `bson:"id"`
}

// TweetPlace is what no tweet of the data has.
type TweetPlace struct {
	Type        string    `bson:"type"`
	Coordinates []float64 `bson:"coordinates"`
}

// TweetEntities are the marked parts of a tweet's text.
type TweetEntities struct {
	UserMentions []TweetMention `bson:"user_mentions"`
	URLs         []string       `bson:"urls"`
	Hashtags     []string       `bson:"hashtags"`
}

// TweetMention is a user in a tweet's text.
type TweetMention struct {
	Indices    []int32 `bson:"indices"`
	ScreenName string  `bson:"screen_name"`
	Name       string  `bson:"name"`
	ID         int32   `bson:"id"`
}

// TweetUser is who wrote a tweet.
type TweetUser struct {
	FriendsCount              int32  `bson:"friends_count"`
	ProfileSidebarFillColor   string `bson:"profile_sidebar_fill_color"`
	Location                  string `bson:"location"`
	Verified                  bool   `bson:"verified"`
	FollowRequestSent         *bool  `bson:"follow_request_sent"`
	FavouritesCount           int32  `bson:"favourites_count"`
	ProfileSidebarBorderColor string `bson:"profile_sidebar_border_color"`
	ProfileImageURL           string `bson:"profile_image_url"`
	GeoEnabled                bool   `bson:"geo_enabled"`
	CreatedAt                 string `bson:"created_at"`
	Description               string `bson:"description"`
	TimeZone                  string `bson:"time_zone"`
	URL                       string `bson:"url"`
	ScreenName                string `bson:"screen_name"`
	Notifications             *bool  `bson:"notifications"`
	ProfileBackgroundColor    string `bson:"profile_background_color"`
	ListedCount               int32  `bson:"listed_count"`
	Lang                      string `bson:"lang"`
	ProfileBackgroundImageURL string `bson:"profile_background_image_url"`
	StatusesCount             int32  `bson:"statuses_count"`
	Following                 *bool  `bson:"following"`
	ProfileTextColor          string `bson:"profile_text_color"`
	Protected                 bool   `bson:"protected"`
	ShowAllInlineMedia        bool   `bson:"show_all_inline_media"`
	ProfileBackgroundTile     bool   `bson:"profile_background_tile"`
	Name                      string `bson:"name"`
	ContributorsEnabled       bool   `bson:"contributors_enabled"`
	ProfileLinkColor          string `bson:"profile_link_color"`
	FollowersCount            int32  `bson:"followers_count"`
	ID                        int32  `bson:"id"`
	ProfileUseBackgroundImage bool   `bson:"profile_use_background_image"`
	UTCOffset                 int32  `bson:"utc_offset"`
}

// ThreeOfTweet is what a list of tweets shows: three of their fields, one of them
// in a subdocument.
type ThreeOfTweet struct {
	Text string `bson:"text"`
	User struct {
		ScreenName string `bson:"screen_name"`
	} `bson:"user"`
	ID int64 `bson:"id"`
}

// Deep matches the deep document, a tree of pairs.
type Deep struct {
	Right      *Deep  `bson:"right,omitempty"`
	Left       *Deep  `bson:"left,omitempty"`
	RightValue string `bson:"rightValue,omitempty"`
	LeftValue  string `bson:"leftValue,omitempty"`
}

// ThreeOfDeep follows one branch of the tree down, and takes three values there.
type ThreeOfDeep struct {
	Right struct {
		Left struct {
			Right struct {
				Left struct {
					Right struct {
						RightValue string `bson:"rightValue"`
						LeftValue  string `bson:"leftValue"`
					} `bson:"right"`
					Left struct {
						LeftValue string `bson:"leftValue"`
					} `bson:"left"`
				} `bson:"left"`
			} `bson:"right"`
		} `bson:"left"`
	} `bson:"right"`
}

// structOf returns the struct type that matches the document: a field for every
// element, of the Go type that a program would choose.
func structOf(doc bson.Raw) (reflect.Type, error) {
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	return structOfElements(elements)
}

// threeOf returns a struct type with the first, the middle and the last of the
// document's elements.
func threeOf(doc bson.Raw) (reflect.Type, error) {
	elements, err := doc.Elements()
	if err != nil {
		return nil, err
	}
	if len(elements) < 3 {
		return nil, fmt.Errorf("a document with %d elements has no three", len(elements))
	}
	return structOfElements([]bson.RawElement{elements[0], elements[len(elements)/2], elements[len(elements)-1]})
}

func structOfElements(elements []bson.RawElement) (reflect.Type, error) {
	fields := make([]reflect.StructField, len(elements))
	for i, e := range elements {
		t, err := typeOf(e.Value())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Key(), err)
		}
		if strings.ContainsAny(e.Key(), "\"`,") {
			return nil, fmt.Errorf("key %q does not fit into a tag", e.Key())
		}
		fields[i] = reflect.StructField{Name: fieldName(e.Key(), i), Type: t, Tag: reflect.StructTag(`bson:"` + e.Key() + `"`)}
	}
	return reflect.StructOf(fields), nil
}

// fieldName makes an exported identifier of a key. The number keeps apart what
// differs by the case of its first letter only.
func fieldName(key string, i int) string {
	name := strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, key)
	return fmt.Sprintf("F%d_%s", i, name)
}

var goTypes = map[bson.Type]reflect.Type{
	bson.TypeDouble:        reflect.TypeFor[float64](),
	bson.TypeString:        reflect.TypeFor[string](),
	bson.TypeBinary:        reflect.TypeFor[[]byte](),
	bson.TypeUndefined:     reflect.TypeFor[bson.Undefined](),
	bson.TypeObjectID:      reflect.TypeFor[bson.ObjectID](),
	bson.TypeBoolean:       reflect.TypeFor[bool](),
	bson.TypeDateTime:      reflect.TypeFor[bson.DateTime](),
	bson.TypeNull:          reflect.TypeFor[*string](),
	bson.TypeRegex:         reflect.TypeFor[bson.Regex](),
	bson.TypeDBPointer:     reflect.TypeFor[bson.DBPointer](),
	bson.TypeJavaScript:    reflect.TypeFor[bson.JavaScript](),
	bson.TypeSymbol:        reflect.TypeFor[bson.Symbol](),
	bson.TypeCodeWithScope: reflect.TypeFor[bson.CodeWithScope](),
	bson.TypeInt32:         reflect.TypeFor[int32](),
	bson.TypeTimestamp:     reflect.TypeFor[bson.Timestamp](),
	bson.TypeInt64:         reflect.TypeFor[int64](),
	bson.TypeDecimal128:    reflect.TypeFor[bson.Decimal128](),
	bson.TypeMinKey:        reflect.TypeFor[bson.MinKey](),
	bson.TypeMaxKey:        reflect.TypeFor[bson.MaxKey](),
}

func typeOf(v bson.RawValue) (reflect.Type, error) {
	switch v.Type {
	case bson.TypeEmbeddedDocument:
		return structOf(v.Document())
	case bson.TypeArray:
		return sliceOf(v.Array())
	}
	if t, ok := goTypes[v.Type]; ok {
		return t, nil
	}
	return nil, fmt.Errorf("no Go type for a %s", v.Type)
}

// sliceOf returns a slice of the one type that all elements have, or of any.
func sliceOf(a bson.RawArray) (reflect.Type, error) {
	values, err := a.Values()
	if err != nil {
		return nil, err
	}
	var one reflect.Type
	for _, v := range values {
		t, err := typeOf(v)
		if err != nil {
			return nil, err
		}
		if one != nil && one != t {
			return reflect.TypeFor[[]any](), nil
		}
		one = t
	}
	if one == nil {
		return reflect.TypeFor[[]any](), nil
	}
	return reflect.SliceOf(one), nil
}
