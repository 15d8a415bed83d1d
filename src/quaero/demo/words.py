"""The words the demo's news are made of. All invented: places, people and events of a town that is not."""

SECTIONS = {
    "town": "Town",
    "harbour": "Harbour",
    "science": "Science",
    "markets": "Markets",
    "culture": "Culture",
    "weather": "Weather",
}

PLACES = (
    "Northgate", "the old harbour", "Millbrook", "Lantern Square", "the east quay", "Fenwick Hill", "the tram depot",
    "Saltmarsh", "the botanical garden", "Copper Lane", "the lighthouse", "Ashford Bridge",
)  # fmt: skip

PEOPLE = (
    ("Ada", "Lindqvist"), ("Tomas", "Okafor"), ("Mirela", "Haddad"), ("Jonah", "Petrov"), ("Ines", "Calloway"),
    ("Ravi", "Sandoval"), ("Greta", "Mbeki"), ("Oskar", "Tanaka"),
)  # fmt: skip

SUBJECTS = {
    "town": ("The council", "A neighbours' group", "The tram company", "The school board", "The fire brigade"),
    "harbour": ("The port authority", "A fishing crew", "The ferry line", "The pilots' guild", "The customs office"),
    "science": ("The observatory", "A student team", "The tide laboratory", "The museum of maps", "A beekeeper"),
    "markets": ("The grain exchange", "A family bakery", "The cooperative bank", "The night market", "A sailmaker"),
    "culture": ("The chamber orchestra", "A street theatre", "The city library", "A poster printer", "The film club"),
    "weather": ("The weather station", "The frost patrol", "The storm watch", "The cloud society", "The river wardens"),
}

EVENTS = (
    "reopens the workshop at {place}", "plans a second line to {place}", "counts twice as many visitors at {place}",
    "moves its archive to {place}", "asks for quieter nights around {place}", "finds an old map of {place}",
    "tests a new timetable for {place}", "repairs the clock at {place}", "invites everyone to {place}",
    "reports a calm season near {place}", "opens its doors at {place} for one day", "saves the lamps of {place}",
)  # fmt: skip

OPENINGS = (
    "For years the question was put off; this week it was answered in an afternoon.",
    "It began with a letter that nobody had expected to be read aloud.",
    "Anyone who passed by on Tuesday could see that something had changed.",
    "The numbers are small, but they point the same way for the third season in a row.",
    "Nobody claims that it was easy, and few remember who had the idea first.",
)

SENTENCES = (
    "{person} spoke of a modest step that took a great deal of patience.",
    "The work near {place} is to be finished before the first frost.",
    "Those who live around {place} had asked for it since the spring.",
    "A first count showed {number} visitors, most of them on foot.",
    "The cost is put at {number} crowns, less than the estimate of last year.",
    "Not everyone agrees: {person} would have preferred to wait for the report.",
    "Shops at {place} stayed open an hour longer and ran out of bread.",
    "The plan names {number} points, of which the ferry is the last and the longest.",
    "Children from two schools painted the fence, and part of the pavement.",
    "What happens in winter is still open, said {person}, and laughed.",
    "The instruments were built here, by hand, from parts of an older clock.",
    "An earlier attempt had failed over a missing signature.",
    "The next meeting is on the first Thursday of the month, in the hall at {place}.",
    "For the crews it means {number} fewer trips between the quay and the depot.",
    "The letters are kept at {place}, where they can be read on request.",
)
