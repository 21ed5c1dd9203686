#include "data/demo_lexicon.h"

namespace hat::data {
namespace {

constexpr Gender M = Gender::kMasculine;
constexpr Gender F = Gender::kFeminine;
constexpr Gender N = Gender::kNeuter;

}  // namespace

const std::vector<Noun>& persons() {
  static const std::vector<Noun> words = {
      {"Mann", "Männer", M, "man", "men", ""},
      {"Frau", "Frauen", F, "woman", "women", ""},
      {"Kind", "Kinder", N, "child", "children", ""},
      {"Lehrer", "Lehrer", M, "teacher", "teachers", ""},
      {"Ärztin", "Ärztinnen", F, "doctor", "doctors", ""},
      {"Bäcker", "Bäcker", M, "baker", "bakers", ""},
      {"Koch", "Köche", M, "cook", "cooks", ""},
      {"Tochter", "Töchter", F, "daughter", "daughters", ""},
      {"Sohn", "Söhne", M, "son", "sons", ""},
      {"Mädchen", "Mädchen", N, "girl", "girls", ""},
      {"Freund", "Freunde", M, "friend", "friends", ""},
      {"Nachbarin", "Nachbarinnen", F, "neighbour", "neighbours", ""},
      {"Hund", "Hunde", M, "dog", "dogs", ""},
      {"Katze", "Katzen", F, "cat", "cats", ""},
      {"Pferd", "Pferde", N, "horse", "horses", ""},
      {"Vogel", "Vögel", M, "bird", "birds", ""},
      {"Kuh", "Kühe", F, "cow", "cows", ""},
      {"Maler", "Maler", M, "painter", "painters", ""},
      {"Königin", "Königinnen", F, "queen", "queens", ""},
      {"König", "Könige", M, "king", "kings", ""},
      {"Sängerin", "Sängerinnen", F, "singer", "singers", ""},
      {"Gast", "Gäste", M, "guest", "guests", ""},
      {"Bruder", "Brüder", M, "brother", "brothers", ""},
      {"Schwester", "Schwestern", F, "sister", "sisters", ""},
      {"Baby", "Babys", N, "baby", "babies", ""},
  };
  return words;
}

const std::vector<Noun>& things() {
  static const std::vector<Noun> words = {
      {"Haus", "Häuser", N, "house", "houses", "Haus"},
      {"Garten", "Gärten", M, "garden", "gardens", "Garten"},
      {"Küche", "Küchen", F, "kitchen", "kitchens", "Küchen"},
      {"Schule", "Schulen", F, "school", "schools", "Schul"},
      {"Stadt", "Städte", F, "town", "towns", "Stadt"},
      {"Dorf", "Dörfer", N, "village", "villages", "Dorf"},
      {"Wald", "Wälder", M, "forest", "forests", "Wald"},
      {"Straße", "Straßen", F, "street", "streets", "Straßen"},
      {"Markt", "Märkte", M, "market", "markets", "Markt"},
      {"Glas", "Gläser", N, "glass", "glasses", "Glas"},
      {"Blume", "Blumen", F, "flower", "flowers", "Blumen"},
      {"Apfel", "Äpfel", M, "apple", "apples", "Apfel"},
      {"Schiff", "Schiffe", N, "ship", "ships", "Schiffs"},
      {"Tür", "Türen", F, "door", "doors", ""},
      {"Tisch", "Tische", M, "table", "tables", ""},
      {"Stuhl", "Stühle", M, "chair", "chairs", ""},
      {"Buch", "Bücher", N, "book", "books", ""},
      {"Brief", "Briefe", M, "letter", "letters", ""},
      {"Brot", "Brote", N, "loaf", "loaves", ""},
      {"Kuchen", "Kuchen", M, "cake", "cakes", ""},
      {"Baum", "Bäume", M, "tree", "trees", ""},
      {"Fenster", "Fenster", N, "window", "windows", ""},
      {"Auto", "Autos", N, "car", "cars", ""},
      {"Fahrrad", "Fahrräder", N, "bicycle", "bicycles", ""},
      {"Zug", "Züge", M, "train", "trains", ""},
      {"Brücke", "Brücken", F, "bridge", "bridges", ""},
      {"Turm", "Türme", M, "tower", "towers", ""},
      {"Lampe", "Lampen", F, "lamp", "lamps", ""},
      {"Bild", "Bilder", N, "picture", "pictures", ""},
      {"Uhr", "Uhren", F, "clock", "clocks", ""},
      {"Schlüssel", "Schlüssel", M, "key", "keys", ""},
      {"Tasche", "Taschen", F, "bag", "bags", ""},
      {"Flasche", "Flaschen", F, "bottle", "bottles", ""},
      {"Messer", "Messer", N, "knife", "knives", ""},
      {"Teller", "Teller", M, "plate", "plates", ""},
      {"Hut", "Hüte", M, "hat", "hats", ""},
      {"Mantel", "Mäntel", M, "coat", "coats", ""},
      {"Schuh", "Schuhe", M, "shoe", "shoes", ""},
      {"Ring", "Ringe", M, "ring", "rings", ""},
      {"Ball", "Bälle", M, "ball", "balls", ""},
      {"Boot", "Boote", N, "boat", "boats", ""},
      {"Zeitung", "Zeitungen", F, "newspaper", "newspapers", ""},
      {"Karte", "Karten", F, "map", "maps", ""},
      {"Lied", "Lieder", N, "song", "songs", ""},
      {"Geschenk", "Geschenke", N, "present", "presents", ""},
      {"Korb", "Körbe", M, "basket", "baskets", ""},
      {"Ei", "Eier", N, "egg", "eggs", ""},
      {"Insel", "Inseln", F, "island", "islands", ""},
  };
  return words;
}

const std::vector<Verb>& transitive_verbs() {
  static const std::vector<Verb> words = {
      {"sehen", "sieht", "gesehen", "", "see", "sees", "saw"},
      {"kaufen", "kauft", "gekauft", "", "buy", "buys", "bought"},
      {"verkaufen", "verkauft", "verkauft", "", "sell", "sells", "sold"},
      {"suchen", "sucht", "gesucht", "", "look for", "looks for", "looked for"},
      {"finden", "findet", "gefunden", "", "find", "finds", "found"},
      {"tragen", "trägt", "getragen", "", "carry", "carries", "carried"},
      {"bringen", "bringt", "gebracht", "", "bring", "brings", "brought"},
      {"holen", "holt", "geholt", "", "fetch", "fetches", "fetched"},
      {"malen", "malt", "gemalt", "", "paint", "paints", "painted"},
      {"lieben", "liebt", "geliebt", "", "love", "loves", "loved"},
      {"hören", "hört", "gehört", "", "hear", "hears", "heard"},
      {"waschen", "wäscht", "gewaschen", "", "wash", "washes", "washed"},
      {"vergessen", "vergisst", "vergessen", "", "forget", "forgets", "forgot"},
      {"nehmen", "nimmt", "genommen", "", "take", "takes", "took"},
      {"brauchen", "braucht", "gebraucht", "", "need", "needs", "needed"},
      {"kennen", "kennt", "gekannt", "", "know", "knows", "knew"},
      {"verlieren", "verliert", "verloren", "", "lose", "loses", "lost"},
      {"reparieren", "repariert", "repariert", "", "repair", "repairs", "repaired"},
      {"zeichnen", "zeichnet", "gezeichnet", "", "draw", "draws", "drew"},
      {"schicken", "schickt", "geschickt", "", "send", "sends", "sent"},
      {"stehlen", "stiehlt", "gestohlen", "", "steal", "steals", "stole"},
      {"verstecken", "versteckt", "versteckt", "", "hide", "hides", "hid"},
      {"machen", "macht", "aufgemacht", "auf", "open", "opens", "opened"},
      {"machen", "macht", "zugemacht", "zu", "close", "closes", "closed"},
      {"holen", "holt", "abgeholt", "ab", "collect", "collects", "collected"},
      {"räumen", "räumt", "aufgeräumt", "auf", "tidy", "tidies", "tidied"},
      {"sehen", "sieht", "angesehen", "an", "look at", "looks at", "looked at"},
      {"werfen", "wirft", "weggeworfen", "weg", "throw away", "throws away", "threw away"},
  };
  return words;
}

const std::vector<Verb>& intransitive_verbs() {
  static const std::vector<Verb> words = {
      {"schlafen", "schläft", "geschlafen", "", "sleep", "sleeps", "slept"},
      {"lachen", "lacht", "gelacht", "", "laugh", "laughs", "laughed"},
      {"arbeiten", "arbeitet", "gearbeitet", "", "work", "works", "worked"},
      {"singen", "singt", "gesungen", "", "sing", "sings", "sang"},
      {"tanzen", "tanzt", "getanzt", "", "dance", "dances", "danced"},
      {"warten", "wartet", "gewartet", "", "wait", "waits", "waited"},
      {"spielen", "spielt", "gespielt", "", "play", "plays", "played"},
      {"weinen", "weint", "geweint", "", "cry", "cries", "cried"},
      {"lesen", "liest", "gelesen", "", "read", "reads", "read"},
      {"hören", "hört", "zugehört", "zu", "listen", "listens", "listened"},
      {"hören", "hört", "aufgehört", "auf", "stop", "stops", "stopped"},
  };
  return words;
}

const std::vector<Verb>& clause_verbs() {
  static const std::vector<Verb> words = {
      {"glauben", "glaubt", "geglaubt", "", "believe", "believes", "believed"},
      {"hoffen", "hofft", "gehofft", "", "hope", "hopes", "hoped"},
      {"sagen", "sagt", "gesagt", "", "say", "says", "said"},
      {"denken", "denkt", "gedacht", "", "think", "thinks", "thought"},
  };
  return words;
}

const std::vector<Modal>& modals() {
  static const std::vector<Modal> words = {
      {"kann", "können", "can", "can"},          {"muss", "müssen", "must", "must"},
      {"darf", "dürfen", "may", "may"},          {"soll", "sollen", "should", "should"},
      {"will", "wollen", "want to", "wants to"},
  };
  return words;
}

const std::vector<WordPair>& adjectives() {
  static const std::vector<WordPair> words = {
      {"groß", "big"},         {"klein", "small"},     {"alt", "old"},
      {"neu", "new"},          {"schön", "beautiful"}, {"rot", "red"},
      {"blau", "blue"},        {"grün", "green"},      {"schwarz", "black"},
      {"weiß", "white"},       {"gelb", "yellow"},     {"billig", "cheap"},
      {"schnell", "fast"},     {"langsam", "slow"},    {"stark", "strong"},
      {"schwach", "weak"},     {"reich", "rich"},      {"arm", "poor"},
      {"jung", "young"},       {"krank", "sick"},      {"freundlich", "friendly"},
      {"ruhig", "quiet"},      {"laut", "loud"},       {"lang", "long"},
      {"kurz", "short"},       {"breit", "wide"},      {"rund", "round"},
      {"hell", "bright"},      {"schwer", "heavy"},    {"kalt", "cold"},
      {"warm", "warm"},        {"nass", "wet"},        {"schmutzig", "dirty"},
      {"fleißig", "diligent"}, {"lustig", "funny"},    {"traurig", "sad"},
      {"seltsam", "strange"},  {"berühmt", "famous"},  {"wichtig", "important"},
      {"bunt", "colourful"},
  };
  return words;
}

const std::vector<WordPair>& prepositions() {
  static const std::vector<WordPair> words = {
      {"in", "in"},         {"mit", "with"},      {"auf", "on"},      {"vor", "in front of"},
      {"hinter", "behind"}, {"neben", "next to"}, {"unter", "under"},
  };
  return words;
}

const std::vector<WordPair>& time_adverbs() {
  static const std::vector<WordPair> words = {
      {"heute", "today"},
      {"jetzt", "now"},
      {"hier", "here"},
      {"dort", "there"},
      {"am Morgen", "in the morning"},
      {"am Abend", "in the evening"},
  };
  return words;
}

const std::vector<WordPair>& frequency_adverbs() {
  static const std::vector<WordPair> words = {
      {"oft", "often"}, {"immer", "always"}, {"nie", "never"}, {"manchmal", "sometimes"}};
  return words;
}

const std::vector<WordPair>& conjunctions() {
  static const std::vector<WordPair> words = {
      {"weil", "because"}, {"wenn", "when"}, {"obwohl", "although"}, {"bevor", "before"}};
  return words;
}

const std::vector<WordPair>& numerals() {
  static const std::vector<WordPair> words = {
      {"zwei", "two"},  {"drei", "three"},   {"vier", "four"}, {"fünf", "five"},
      {"sechs", "six"}, {"sieben", "seven"}, {"zehn", "ten"},  {"zwölf", "twelve"}};
  return words;
}

}  // namespace hat::data
