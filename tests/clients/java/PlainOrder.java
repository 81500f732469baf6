/** A class without any serializer: clients from 5.2 on send it as Compact, with its schema. */
public final class PlainOrder {
    public String name;
    public long amount;

    PlainOrder(String name, long amount) {
        this.name = name;
        this.amount = amount;
    }
}
