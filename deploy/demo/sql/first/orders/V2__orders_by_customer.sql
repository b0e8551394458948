-- cannot run in a transaction, and just works
create index concurrently orders_by_customer on orders (customer);
