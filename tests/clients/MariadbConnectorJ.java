// MariaDB Connector/J.
import java.io.File;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;

public class MariadbConnectorJ {
    static final String FILE = System.getenv("STAGEWIRE_FILE");
    static final String OTHER = System.getenv("STAGEWIRE_OTHER");
    static final String MISSING = System.getenv("STAGEWIRE_MISSING");
    static final String STAGE = System.getenv("STAGEWIRE_STAGE");
    static final boolean COMPRESSED = System.getenv("COMPRESS") != null;
    static final String OPTIONS = System.getenv("STAGEWIRE_STAGE_OPTIONS");

    final Statement statement;

    MariadbConnectorJ(Statement statement) {
        this.statement = statement;
    }

    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:mariadb://" + System.getenv("STAGEWIRE_HOST") + ":" + System.getenv("STAGEWIRE_PORT") + "/";
        try (Connection connection = DriverManager.getConnection(url + "?allowLocalInfile=true&useCompression=" + COMPRESSED, "root", "");
                Statement statement = connection.createStatement()) {
            System.out.println("version " + connection.getMetaData().getDriverVersion());
            MariadbConnectorJ client = new MariadbConnectorJ(statement);
            if (arguments[0].equals("up")) {
                client.up();
            } else {
                client.down();
            }
        }
    }

    void up() throws SQLException {
        try (ResultSet rows = statement.executeQuery("SHOW STATUS LIKE 'Compression_algorithm'")) {
            rows.next();
            expect("compression", rows.getString(2), COMPRESSED ? "zlib" : "uncompressed");
        }
        statement.execute("CREATE STAGE " + STAGE + " " + OPTIONS);
        upload(FILE, "FALSE", "UPLOADED");
        expectListed(FILE);
        uploadMissing();
        expectListed(FILE);
        upload(OTHER, "FALSE", "SKIPPED");
        expectListed(FILE);
    }

    void down() throws SQLException {
        upload(OTHER, "TRUE", "UPLOADED");
        expectListed(OTHER);
        statement.execute("REMOVE @" + STAGE + "/" + new File(FILE).getName());
        expect("LIST after REMOVE", listed(), List.of());
        statement.execute("DROP STAGE " + STAGE);
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
        List<String> found = new ArrayList<>();
        try (ResultSet rows = statement.executeQuery("LIST @" + STAGE)) {
            while (rows.next()) {
                found.add(new File(rows.getString("name")).getName() + " " + rows.getString("size"));
            }
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
