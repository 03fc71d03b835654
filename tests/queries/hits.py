"""One wide table of a web site's hits: the 105 columns of ClickBench's, and 43 questions of the kinds that it asks.

The rows are made up: most values are few, as in life, and the same in every run. Each order is complete, so that
there is one right answer. The scale counts millions of rows.
"""

from side_by_side import Query, Suite

SMALL, INT, BIG, TEXT, DATE, TIME = "SMALLINT", "INTEGER", "BIGINT", "VARCHAR", "DATE", "TIMESTAMP"

# One user, one page and one referer that queries look for.
USER, PAGE, REFERER = 17, 0, 0

WORDS = "['map','red','film','buy','car','free','news','book','shop','game','sea','city','wood','radio','time','house']"

# (name, type, expression): `few(i, salt, n)` is a number below n, small ones far more often; `u(i, salt)` is even.
COLUMNS = [
    ("WatchID", BIG, "number(i, 1)"),
    ("JavaEnable", SMALL, "(u(i, 2) < 0.8)::INT"),
    ("Title", TEXT, "CASE WHEN u(i, 3) < 0.1 THEN '' ELSE title(few(i, 4, pages)) END"),
    ("GoodEvent", SMALL, "1"),
    ("EventTime", TIME, "moment"),
    ("EventDate", DATE, "moment::DATE"),
    ("CounterID", INT, "60 + few(i, 5, 500)"),
    ("ClientIP", INT, "user_number * 7919 % 2000000011 - 1000000000"),
    ("RegionID", INT, "few(user_number, 6, 5000)"),
    ("UserID", BIG, "number(user_number, 7)"),
    ("CounterClass", SMALL, "few(i, 8, 3)"),
    ("OS", SMALL, "few(user_number, 9, 90)"),
    ("UserAgent", SMALL, "few(user_number, 10, 60)"),
    ("URL", TEXT, "CASE WHEN u(i, 11) < 0.02 THEN '' ELSE page(few(i, 4, pages)) END"),
    ("Referer", TEXT, "CASE WHEN u(i, 12) < 0.4 THEN '' ELSE page(few(i, 13, pages * 2)) END"),
    ("IsRefresh", SMALL, "(u(i, 14) < 0.15)::INT"),
    ("RefererCategoryID", SMALL, "few(i, 15, 300)"),
    ("RefererRegionID", INT, "few(i, 16, 1000)"),
    ("URLCategoryID", SMALL, "few(i, 17, 300)"),
    ("URLRegionID", INT, "few(i, 18, 1000)"),
    ("ResolutionWidth", SMALL, "[1366, 1280, 1920, 1024, 1600, 320, 0, 768][few(user_number, 19, 8) + 1]"),
    ("ResolutionHeight", SMALL, "[768, 1024, 1080, 600, 900, 480, 0][few(user_number, 20, 7) + 1]"),
    ("ResolutionDepth", SMALL, "[32, 24, 16][few(user_number, 21, 3) + 1]"),
    ("FlashMajor", SMALL, "few(user_number, 22, 12)"),
    ("FlashMinor", SMALL, "few(user_number, 23, 9)"),
    ("FlashMinor2", TEXT, "few(user_number, 24, 800)::VARCHAR"),
    ("NetMajor", SMALL, "few(user_number, 25, 5)"),
    ("NetMinor", SMALL, "few(user_number, 26, 5)"),
    ("UserAgentMajor", SMALL, "few(user_number, 27, 40)"),
    ("UserAgentMinor", TEXT, "chr((97 + few(user_number, 28, 26))::INT)"),
    ("CookieEnable", SMALL, "1"),
    ("JavascriptEnable", SMALL, "1"),
    ("IsMobile", SMALL, "(u(user_number, 29) < 0.1)::INT"),
    ("MobilePhone", SMALL, "CASE WHEN u(user_number, 29) < 0.1 THEN few(user_number, 30, 90) ELSE 0 END"),
    ("MobilePhoneModel", TEXT, "CASE WHEN u(user_number, 29) < 0.1 THEN 'model ' || few(user_number, 31, 160) ELSE '' END"),
    ("Params", TEXT, "CASE WHEN u(i, 32) < 0.03 THEN '{\"goal\":' || few(i, 33, 500) || '}' ELSE '' END"),
    ("IPNetworkID", INT, "few(user_number, 34, 100000)"),
    ("TraficSourceID", SMALL, "few(i, 35, 10) - 1"),
    ("SearchEngineID", SMALL, "CASE WHEN u(i, 36) < 0.15 THEN 1 + few(i, 37, 60) ELSE 0 END"),
    ("SearchPhrase", TEXT, "CASE WHEN u(i, 36) < 0.15 THEN phrase(few(i, 38, pages)) ELSE '' END"),
    ("AdvEngineID", SMALL, "CASE WHEN u(i, 39) < 0.006 THEN 1 + few(i, 40, 20) ELSE 0 END"),
    ("IsArtifical", SMALL, "0"),
    ("WindowClientWidth", SMALL, "300 + few(user_number, 41, 1600)"),
    ("WindowClientHeight", SMALL, "200 + few(user_number, 42, 900)"),
    ("ClientTimeZone", SMALL, "few(user_number, 43, 12) * 60"),
    ("ClientEventTime", TIME, "moment + to_seconds(few(i, 44, 90))"),
    ("SilverlightVersion1", SMALL, "few(user_number, 45, 6)"),
    ("SilverlightVersion2", SMALL, "few(user_number, 46, 3)"),
    ("SilverlightVersion3", INT, "few(user_number, 47, 60000)"),
    ("SilverlightVersion4", SMALL, "0"),
    ("PageCharset", TEXT, "['utf-8', 'windows-1251', 'koi8-r', ''][few(i, 48, 4) + 1]"),
    ("CodeVersion", INT, "1500 + few(i, 49, 100)"),
    ("IsLink", SMALL, "(u(i, 50) < 0.1)::INT"),
    ("IsDownload", SMALL, "(u(i, 51) < 0.01)::INT"),
    ("IsNotBounce", SMALL, "(u(i, 52) < 0.6)::INT"),
    ("FUniqID", BIG, "number(user_number, 53)"),
    ("OriginalURL", TEXT, "CASE WHEN u(i, 54) < 0.7 THEN '' ELSE page(few(i, 4, pages)) END"),
    ("HID", INT, "few(i, 55, 1000000000)"),
    ("IsOldCounter", SMALL, "0"),
    ("IsEvent", SMALL, "0"),
    ("IsParameter", SMALL, "0"),
    ("DontCountHits", SMALL, "(u(i, 56) < 0.2)::INT"),
    ("WithHash", SMALL, "0"),
    ("HitColor", TEXT, "chr((65 + few(i, 57, 5))::INT)"),
    ("LocalEventTime", TIME, "moment + to_hours(few(user_number, 43, 12))"),
    ("Age", SMALL, "few(user_number, 58, 6) * 10"),
    ("Sex", SMALL, "few(user_number, 59, 3)"),
    ("Income", SMALL, "few(user_number, 60, 4)"),
    ("Interests", SMALL, "few(user_number, 61, 30000)"),
    ("Robotness", SMALL, "few(user_number, 62, 4)"),
    ("RemoteIP", INT, "user_number * 6007 % 2000000011 - 1000000000"),
    ("WindowName", INT, "few(i, 63, 4000) - 1"),
    ("OpenerName", INT, "few(i, 64, 4000) - 1"),
    ("HistoryLength", SMALL, "few(i, 65, 50)"),
    ("BrowserLanguage", TEXT, "['ru', 'en', 'de', 'uk', 'tr'][few(user_number, 66, 5) + 1]"),
    ("BrowserCountry", TEXT, "['RU', 'US', 'DE', 'UA', 'TR'][few(user_number, 67, 5) + 1]"),
    ("SocialNetwork", TEXT, "CASE WHEN u(i, 68) < 0.01 THEN 'network ' || few(i, 69, 7) ELSE '' END"),
    ("SocialAction", TEXT, "CASE WHEN u(i, 68) < 0.01 THEN 'like' ELSE '' END"),
    ("HTTPError", SMALL, "CASE WHEN u(i, 70) < 0.01 THEN 404 ELSE 0 END"),
    ("SendTiming", INT, "few(i, 71, 3000)"),
    ("DNSTiming", INT, "few(i, 72, 800)"),
    ("ConnectTiming", INT, "few(i, 73, 900)"),
    ("ResponseStartTiming", INT, "few(i, 74, 5000)"),
    ("ResponseEndTiming", INT, "few(i, 75, 9000)"),
    ("FetchTiming", INT, "few(i, 76, 9000)"),
    ("SocialSourceNetworkID", SMALL, "few(i, 77, 20)"),
    ("SocialSourcePage", TEXT, "CASE WHEN u(i, 78) < 0.02 THEN page(few(i, 79, 100)) ELSE '' END"),
    ("ParamPrice", BIG, "few(i, 80, 1000000)"),
    ("ParamOrderID", TEXT, "CASE WHEN u(i, 81) < 0.01 THEN 'order ' || i ELSE '' END"),
    ("ParamCurrency", TEXT, "['', 'RUR', 'USD', 'EUR'][few(i, 82, 4) + 1]"),
    ("ParamCurrencyID", SMALL, "few(i, 83, 4)"),
    ("OpenstatServiceName", TEXT, "CASE WHEN u(i, 84) < 0.02 THEN 'service ' || few(i, 85, 30) ELSE '' END"),
    ("OpenstatCampaignID", TEXT, "CASE WHEN u(i, 84) < 0.02 THEN few(i, 86, 3000)::VARCHAR ELSE '' END"),
    ("OpenstatAdID", TEXT, "CASE WHEN u(i, 84) < 0.02 THEN few(i, 87, 9000)::VARCHAR ELSE '' END"),
    ("OpenstatSourceID", TEXT, "CASE WHEN u(i, 84) < 0.02 THEN page(few(i, 88, 50)) ELSE '' END"),
    ("UTMSource", TEXT, "CASE WHEN u(i, 89) < 0.03 THEN 'source ' || few(i, 90, 40) ELSE '' END"),
    ("UTMMedium", TEXT, "CASE WHEN u(i, 89) < 0.03 THEN 'cpc' ELSE '' END"),
    ("UTMCampaign", TEXT, "CASE WHEN u(i, 89) < 0.03 THEN 'campaign ' || few(i, 91, 700) ELSE '' END"),
    ("UTMContent", TEXT, "CASE WHEN u(i, 89) < 0.03 THEN phrase(few(i, 92, 300)) ELSE '' END"),
    ("UTMTerm", TEXT, "CASE WHEN u(i, 89) < 0.03 THEN phrase(few(i, 93, 300)) ELSE '' END"),
    ("FromTag", TEXT, "CASE WHEN u(i, 94) < 0.01 THEN 'tag ' || few(i, 95, 90) ELSE '' END"),
    ("HasGCLID", SMALL, "(u(i, 96) < 0.01)::INT"),
    ("RefererHash", BIG, "number(few(i, 13, pages * 2), 97)"),
    ("URLHash", BIG, "number(few(i, 4, pages), 98)"),
    ("CLID", INT, "few(i, 99, 500)"),
]

MACROS = f"""
    CREATE OR REPLACE MACRO mixed(i, salt) AS hash(i::BIGINT * 1009 + salt);
    CREATE OR REPLACE MACRO u(i, salt) AS (mixed(i, salt) >> 11)::DOUBLE / 9007199254740992;
    CREATE OR REPLACE MACRO few(i, salt, n) AS floor(n * pow(u(i, salt), 3))::BIGINT;
    CREATE OR REPLACE MACRO number(i, salt) AS (mixed(i, salt) >> 1)::BIGINT;
    CREATE OR REPLACE MACRO word(i, salt) AS ({WORDS})[(mixed(i, salt) % 16)::INT + 1];
    CREATE OR REPLACE MACRO phrase(n) AS word(n, 1) || ' ' || word(n, 2) || ' ' || n;
    CREATE OR REPLACE MACRO title(n) AS
        CASE n % 23 WHEN 5 THEN 'Google ' ELSE '' END || word(n, 3) || ' - ' || word(n, 4) || ' ' || word(n, 5) || ' №' || n;
    CREATE OR REPLACE MACRO page(n) AS
        CASE n % 37 WHEN 4 THEN 'https://www.google.' WHEN 9 THEN 'http://no-google-' ELSE 'http://' END
        || word(n // 40, 6) || (n // 40) % 97 || '.example/' || word(n, 7) || '/' || n || '?' || word(n, 8) || '=' || n % 1000;
"""


def generate(connection, scale):
    rows = round(float(scale) * 1_000_000)
    connection.execute(MACROS)
    columns = ", ".join(f"CAST({value} AS {ty}) AS {name}" for name, ty, value in COLUMNS)
    connection.execute(
        f"""CREATE TABLE hits AS SELECT {columns} FROM (
            SELECT range AS i, {rows // 10 + 10} AS pages, few(range, 100, {rows // 8 + 10}) AS user_number,
                TIMESTAMP '2013-07-01' + to_seconds((range * {31 * 86400 / rows})::BIGINT) AS moment
            FROM range({rows}))"""
    )


def queries(connection):
    """The questions, as MySQL and DuckDB write them."""
    connection.execute(MACROS)
    rows, user, page, referer = connection.execute(
        f"SELECT count(*), number({USER}, 7), number({PAGE}, 98), "
        f"number({REFERER}, 97) FROM hits"
    ).fetchone()
    many = rows // 1000
    of_counter = (
        "FROM hits WHERE CounterID = 62 AND EventDate >= '2013-07-01' AND EventDate <= '2013-07-31' AND IsRefresh = 0"
    )
    counted = f"{of_counter} AND DontCountHits = 0"
    sums = ", ".join(f"SUM(ResolutionWidth + {by})" for by in range(90))
    host = "REGEXP_REPLACE(Referer, '^https?://(?:www[.])?([^/]+)/.*$', '{}')"
    found = "FROM hits WHERE SearchPhrase <> ''"
    here = {
        1: "SELECT COUNT(*) FROM hits",
        2: "SELECT COUNT(*) FROM hits WHERE AdvEngineID <> 0",
        3: "SELECT SUM(AdvEngineID), COUNT(*), AVG(ResolutionWidth) FROM hits",
        4: "SELECT AVG(UserID) FROM hits",
        5: "SELECT COUNT(DISTINCT UserID) FROM hits",
        6: "SELECT COUNT(DISTINCT SearchPhrase) FROM hits",
        7: "SELECT MIN(EventDate), MAX(EventDate) FROM hits",
        8: "SELECT AdvEngineID, COUNT(*) FROM hits WHERE AdvEngineID <> 0 GROUP BY AdvEngineID ORDER BY 2 DESC, 1",
        9: "SELECT RegionID, COUNT(DISTINCT UserID) FROM hits GROUP BY RegionID ORDER BY 2 DESC, 1 LIMIT 10",
        10: "SELECT RegionID, SUM(AdvEngineID), COUNT(*), AVG(ResolutionWidth), COUNT(DISTINCT UserID) FROM hits "
        "GROUP BY RegionID ORDER BY 3 DESC, 1 LIMIT 10",
        11: "SELECT MobilePhoneModel, COUNT(DISTINCT UserID) FROM hits WHERE MobilePhoneModel <> '' "
        "GROUP BY MobilePhoneModel ORDER BY 2 DESC, 1 LIMIT 10",
        12: "SELECT MobilePhone, MobilePhoneModel, COUNT(DISTINCT UserID) FROM hits WHERE MobilePhoneModel <> '' "
        "GROUP BY MobilePhone, MobilePhoneModel ORDER BY 3 DESC, 1, 2 LIMIT 10",
        13: f"SELECT SearchPhrase, COUNT(*) {found} GROUP BY SearchPhrase ORDER BY 2 DESC, 1 LIMIT 10",
        14: f"SELECT SearchPhrase, COUNT(DISTINCT UserID) {found} GROUP BY SearchPhrase ORDER BY 2 DESC, 1 LIMIT 10",
        15: f"SELECT SearchEngineID, SearchPhrase, COUNT(*) {found} GROUP BY SearchEngineID, SearchPhrase "
        "ORDER BY 3 DESC, 1, 2 LIMIT 10",
        16: "SELECT UserID, COUNT(*) FROM hits GROUP BY UserID ORDER BY 2 DESC, 1 LIMIT 10",
        17: "SELECT UserID, SearchPhrase, COUNT(*) FROM hits GROUP BY UserID, SearchPhrase ORDER BY 3 DESC, 1, 2 LIMIT 10",
        18: "SELECT UserID, SearchPhrase, COUNT(*) FROM hits GROUP BY UserID, SearchPhrase LIMIT 10",
        19: "SELECT UserID, EXTRACT(MINUTE FROM EventTime), SearchPhrase, COUNT(*) FROM hits "
        "GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3 LIMIT 10",
        20: f"SELECT UserID FROM hits WHERE UserID = {user}",
        21: "SELECT COUNT(*) FROM hits WHERE URL LIKE '%google%'",
        22: f"SELECT SearchPhrase, MIN(URL), COUNT(*) {found} AND URL LIKE '%google%' GROUP BY SearchPhrase "
        "ORDER BY 3 DESC, 1 LIMIT 10",
        23: f"SELECT SearchPhrase, MIN(URL), MIN(Title), COUNT(*), COUNT(DISTINCT UserID) {found} "
        "AND Title LIKE '%Google%' AND URL NOT LIKE '%.google.%' GROUP BY SearchPhrase ORDER BY 4 DESC, 1 LIMIT 10",
        24: "SELECT * FROM hits WHERE URL LIKE '%google%' ORDER BY EventTime, WatchID LIMIT 10",
        25: f"SELECT SearchPhrase {found} ORDER BY EventTime, WatchID LIMIT 10",
        26: f"SELECT SearchPhrase {found} ORDER BY SearchPhrase LIMIT 10",
        27: f"SELECT SearchPhrase {found} ORDER BY EventTime, SearchPhrase LIMIT 10",
        28: f"SELECT CounterID, AVG(LENGTH(URL)), COUNT(*) FROM hits WHERE URL <> '' GROUP BY CounterID "
        f"HAVING COUNT(*) > {many} ORDER BY 3 DESC, 1 LIMIT 25",
        29: f"SELECT {host.format('$1')}, AVG(LENGTH(Referer)), COUNT(*), MIN(Referer) FROM hits WHERE Referer <> '' "
        f"GROUP BY 1 HAVING COUNT(*) > {many} ORDER BY 3 DESC, 1 LIMIT 25",
        30: f"SELECT {sums} FROM hits",
        31: f"SELECT SearchEngineID, ClientIP, COUNT(*), SUM(IsRefresh), AVG(ResolutionWidth) {found} "
        "GROUP BY SearchEngineID, ClientIP ORDER BY 3 DESC, 1, 2 LIMIT 10",
        32: f"SELECT WatchID, ClientIP, COUNT(*), SUM(IsRefresh), AVG(ResolutionWidth) {found} "
        "GROUP BY WatchID, ClientIP ORDER BY 3 DESC, 1, 2 LIMIT 10",
        33: "SELECT WatchID, ClientIP, COUNT(*), SUM(IsRefresh), AVG(ResolutionWidth) FROM hits "
        "GROUP BY WatchID, ClientIP ORDER BY 3 DESC, 1, 2 LIMIT 10",
        34: "SELECT URL, COUNT(*) FROM hits GROUP BY URL ORDER BY 2 DESC, 1 LIMIT 10",
        35: "SELECT 1, URL, COUNT(*) FROM hits GROUP BY 1, URL ORDER BY 3 DESC, 2 LIMIT 10",
        36: "SELECT ClientIP, ClientIP - 1, ClientIP - 2, ClientIP - 3, COUNT(*) FROM hits "
        "GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 1 LIMIT 10",
        37: f"SELECT URL, COUNT(*) {counted} AND URL <> '' GROUP BY URL ORDER BY 2 DESC, 1 LIMIT 10",
        38: f"SELECT Title, COUNT(*) {counted} AND Title <> '' GROUP BY Title ORDER BY 2 DESC, 1 LIMIT 10",
        39: f"SELECT URL, COUNT(*) {of_counter} AND IsLink <> 0 AND IsDownload = 0 GROUP BY URL "
        "ORDER BY 2 DESC, 1 LIMIT 10 OFFSET 10",
        40: "SELECT TraficSourceID, SearchEngineID, AdvEngineID, "
        "CASE WHEN SearchEngineID = 0 AND AdvEngineID = 0 THEN Referer ELSE '' END, URL, COUNT(*) "
        f"{of_counter} GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC, 1, 2, 3, 4, 5 LIMIT 10 OFFSET 10",
        41: f"SELECT URLHash, EventDate, COUNT(*) {of_counter} AND TraficSourceID IN (-1, 6) "
        f"AND RefererHash = {referer} GROUP BY URLHash, EventDate ORDER BY 3 DESC, 1, 2 LIMIT 10 OFFSET 2",
        42: f"SELECT WindowClientWidth, WindowClientHeight, COUNT(*) {counted} AND URLHash = {page} "
        "GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 10 OFFSET 2",
        43: "SELECT DATE_FORMAT(EventTime, '%Y-%m-%d %H:%i:00'), COUNT(*) FROM hits WHERE CounterID = 62 "
        "AND EventDate >= '2013-07-14' AND EventDate <= '2013-07-15' AND IsRefresh = 0 AND DontCountHits = 0 "
        "GROUP BY 1 ORDER BY 1 LIMIT 10 OFFSET 10",
    }
    there = {
        29: here[29].replace(host.format("$1"), host.format("\\1")),
        43: here[43].replace("DATE_FORMAT(EventTime, '%Y-%m-%d %H:%i:00')", "strftime(EventTime, '%Y-%m-%d %H:%M:00')"),
    }
    there |= {number: there.get(number, here[number]).replace("LENGTH(", "strlen(") for number in (28, 29)}
    some = {18: here[18].removesuffix(" LIMIT 10")}
    return [Query(number, text, there.get(number, text), some.get(number, "")) for number, text in here.items()]


SUITE = Suite("hits", ["hits"], generate, queries)
