// MariaDB Connector/J.
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

public class MariadbConnectorJ {
    static final String FILE = System.getenv("STAGEWIRE_FILE");
    static final String OTHER = System.getenv("STAGEWIRE_OTHER");
    static final String MISSING = System.getenv("STAGEWIRE_MISSING");
    static final String STAGE = System.getenv("STAGEWIRE_STAGE");
    static final boolean COMPRESSED = System.getenv("COMPRESS") != null;
    static final String OPTIONS = System.getenv("STAGEWIRE_STAGE_OPTIONS");

    // What says how it was sent: only a statement that the server has prepared is shown as Execute.
    static final String HOW =
            "SELECT COMMAND FROM information_schema.PROCESSLIST WHERE ID = CONNECTION_ID()";

    final Connection connection;
    final Statement statement;

    MariadbConnectorJ(Connection connection) throws SQLException {
        this.connection = connection;
        this.statement = connection.createStatement();
    }

    public static void main(String[] arguments) throws Exception {
        try (Connection connection = connect("root", "", false)) {
            System.out.println("version " + connection.getMetaData().getDriverVersion());
            MariadbConnectorJ client = new MariadbConnectorJ(connection);
            switch (arguments[0]) {
                case "up" -> client.up();
                case "down" -> client.down();
                case "restart" -> client.restart();
                case "statements" -> client.statements();
                default -> throw new IllegalArgumentException(arguments[0]);
            }
        }
    }

    static Connection connect(String user, String password, boolean tls) throws SQLException {
        // Without TLS it asks for the key that encrypts the password only if told to.
        String options = "?allowLocalInfile=true&useServerPrepStmts=true&allowPublicKeyRetrieval=true&useCompression=" + COMPRESSED
                + (tls ? "&useSsl=true&serverSslCert=" + System.getenv("STAGEWIRE_CA") : "");
        String address = System.getenv("STAGEWIRE_HOST") + ":" + System.getenv("STAGEWIRE_PORT");
        return DriverManager.getConnection("jdbc:mariadb://" + address + "/" + options, user, password);
    }

    // Twice, for the second time less is exchanged.
    static void logIn(String column, String user, boolean tls) throws SQLException {
        user = STAGE + "_" + user;
        for (int times = 0; times < 2; times++) {
            try (Connection connection = connect(user, System.getenv("STAGEWIRE_PASSWORD"), tls)) {
                MariadbConnectorJ client = new MariadbConnectorJ(connection);
                expect("user", client.value("SELECT CURRENT_USER()", 1).split("@")[0], user);
                boolean encrypted = !client.value("SHOW STATUS LIKE 'Ssl_cipher'", 2).isEmpty();
                expect(column + " is encrypted", encrypted, tls);
            }
        }
        cell(column, "yes");
    }

    void up() throws SQLException {
        expect("compression", value("SHOW STATUS LIKE 'Compression_algorithm'", 2), COMPRESSED ? "zlib" : "uncompressed");
        logIn("native", "native", false);
        logIn("native_tls", "native", true);
        logIn("sha2", "sha2", false);
        logIn("sha2_tls", "sha2_tls", true);
        statement.execute("CREATE STAGE " + STAGE + " " + OPTIONS);
        upload(FILE, "FALSE", "UPLOADED");
        expectListed(FILE);
        cell("list", "yes");
        prepared();
        uploadMissing();
        expectListed(FILE);
        upload(OTHER, "FALSE", "SKIPPED");
        expectListed(FILE);
        missingStage();
    }

    void prepared() throws SQLException {
        try (PreparedStatement prepared = connection.prepareStatement(HOW);
                ResultSet rows = prepared.executeQuery()) {
            rows.next();
            expect("how it was sent", rows.getString(1), "Execute");
        }
        try (PreparedStatement prepared = connection.prepareStatement("LIST @" + STAGE);
                ResultSet rows = prepared.executeQuery()) {
            expect("LIST, prepared", listing(rows), List.of(new File(FILE).getName() + " " + new File(FILE).length()));
        }
        cell("prepared", "yes");
    }

    void missingStage() {
        try {
            statement.executeQuery("LIST @there_is_no_such_stage");
        } catch (SQLException error) {
            String code = error.getErrorCode() + "/" + error.getSQLState();
            expect("error of a missing stage", code, "1146/42S02");
            cell("error", code);
            return;
        }
        throw new AssertionError("LIST of a missing stage did not fail");
    }

    void down() throws Exception {
        upload(OTHER, "TRUE", "UPLOADED");
        expectListed(OTHER);
        statement.execute("REMOVE @" + STAGE + "/" + new File(FILE).getName());
        expect("LIST after REMOVE", listed(), List.of());
        statement.execute("DROP STAGE " + STAGE);
        kill();
    }

    void kill() throws Exception {
        String id = value("SELECT CONNECTION_ID()", 1);
        try (Connection other = connect("root", "", false)) {
            MariadbConnectorJ killer = new MariadbConnectorJ(other);
            killer.statement.execute("KILL " + id);
            // KILL is answered when the other connection has been told, and its end is a moment later.
            String there = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE ID = " + id;
            for (int times = 0; !killer.value(there, 1).equals("0"); times++) {
                expect("gone after KILL", times < 50, true);
                Thread.sleep(100);
            }
        }
        lost("kill");
    }

    // The runner restarts the server when all programs have said that they are there.
    void restart() throws Exception {
        value("SELECT 1", 1);
        Files.createFile(Path.of(System.getenv("STAGEWIRE_READY")));
        while (!Files.exists(Path.of(System.getenv("STAGEWIRE_GO")))) {
            Thread.sleep(50);
        }
        lost("restart");
    }

    // The connection is gone: the driver says so or makes another, and a new one works.
    void lost(String column) throws SQLException {
        String value = "itself";
        try {
            value("SELECT 1", 1);
        } catch (SQLException error) {
            System.out.println(column + ": " + error.getSQLState() + " " + error.getMessage());
            value = "yes";
        }
        try (Connection again = connect("root", "", false)) {
            expect("SELECT on a new connection", new MariadbConnectorJ(again).value("SELECT 'again'", 1), "again");
        }
        cell(column, value);
    }

    // Runs each of a list of statements and tells what came of it. The list is JSON of the plainest kind: in
    // texts there are no escapes but these.
    void statements() throws Exception {
        String list = Files.readString(Path.of(System.getenv("STAGEWIRE_STATEMENTS")));
        Matcher texts = Pattern.compile("\"((?:[^\"\\\\]|\\\\.)*+)\"").matcher(list);
        while (texts.find()) {
            System.out.println("answer " + answer(unescaped(texts.group(1))));
        }
    }

    static String unescaped(String text) {
        Matcher escapes = Pattern.compile("\\\\(?:u([0-9a-f]{4})|(.))").matcher(text);
        return escapes.replaceAll(found -> {
            String plain = found.group(1) != null
                    ? String.valueOf((char) Integer.parseInt(found.group(1), 16))
                    : switch (found.group(2)) {
                        case "n" -> "\n";
                        case "t" -> "\t";
                        case "r" -> "\r";
                        default -> found.group(2);
                    };
            return Matcher.quoteReplacement(plain);
        });
    }

    String answer(String sql) throws SQLException {
        // What it makes of `{...}` is JDBC's own, and not ours.
        statement.setEscapeProcessing(false);
        try {
            if (!statement.execute(sql)) {
                return "{\"ok\": true}";
            }
            try (ResultSet rows = statement.getResultSet()) {
                List<String> columns = new ArrayList<>();
                for (int column = 1; column <= rows.getMetaData().getColumnCount(); column++) {
                    String label = rows.getMetaData().getColumnLabel(column);
                    columns.add('"' + label.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n").replace("\t", "\\t") + '"');
                }
                int count = 0;
                while (rows.next()) {
                    count++;
                }
                return "{\"columns\": " + columns + ", \"rows\": " + count + "}";
            }
        } catch (SQLException error) {
            if (!connection.isValid(5)) {
                throw error;
            }
            return "{\"error\": \"" + error.getErrorCode() + "/" + error.getSQLState() + "\"}";
        }
    }

    String value(String sql, int column) throws SQLException {
        try (ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return rows.getString(column);
        }
    }

    static void cell(String column, String value) {
        System.out.println("cell " + column + " " + value);
    }

    void upload(String path, String overwrite, String status) throws SQLException {
        boolean hasRows = statement.execute("LOAD DATA LOCAL INFILE '" + path + "' INTO STAGE @" + STAGE
                + " AUTO_COMPRESS=FALSE OVERWRITE=" + overwrite);
        System.out.println("upload: " + (hasRows ? "row" : "OK"));
        if (hasRows) {
            try (ResultSet rows = statement.getResultSet()) {
                rows.next();
                expect("status", rows.getString("status"), status);
            }
        }
    }

    void uploadMissing() {
        try {
            upload(MISSING, "FALSE", "ERROR");
        } catch (SQLException error) {
            System.out.println("missing file: " + error.getMessage());
            return;
        }
        throw new AssertionError("the upload of a missing file did not fail");
    }

    List<String> listed() throws SQLException {
        try (ResultSet rows = statement.executeQuery("LIST @" + STAGE)) {
            return listing(rows);
        }
    }

    static List<String> listing(ResultSet rows) throws SQLException {
        List<String> found = new ArrayList<>();
        while (rows.next()) {
            found.add(new File(rows.getString("name")).getName() + " " + rows.getString("size"));
        }
        return found;
    }

    void expectListed(String path) throws SQLException {
        expect("LIST", listed(), List.of(new File(FILE).getName() + " " + new File(path).length()));
    }

    static void expect(String what, Object found, Object expected) {
        if (!found.equals(expected)) {
            throw new AssertionError(what + ": expected " + expected + ", found " + found);
        }
    }
}
